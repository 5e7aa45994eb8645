/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "unit.h"

#include "openvswitch/dynamic-string.h"
#include "render-json.h"
#include "render-spool.h"
#include "render.h"
#include "table.h"
#include "util.h"

#define NOW_NS UINT64_C(1700000000000000000)
#define S UINT64_C(1000000000)

typedef void render_func(const Sluice__Response *, uint64_t now_ns,
                         struct ds *);

static void
expect_text(render_func *render, const Sluice__Response *r,
            const char *expected)
{
    struct ds text = DS_EMPTY_INITIALIZER;

    render(r, NOW_NS, &text);
    assert_string_equal(ds_cstr(&text), expected);
    ds_destroy(&text);
}

static void
expect_json(const Sluice__Response *r, const char *name, const char *expected)
{
    struct ds text = DS_EMPTY_INITIALIZER;

    render_json(r, name, &text);
    assert_string_equal(ds_cstr(&text), expected);
    ds_destroy(&text);
}

static void
programs_are_shown(void **state)
{
    Sluice__Program intake = SLUICE__PROGRAM__INIT;
    Sluice__Program ship = SLUICE__PROGRAM__INIT;
    Sluice__Program *programs[] = { &intake, &ship };
    Sluice__Status status = SLUICE__STATUS__INIT;
    Sluice__Response r = SLUICE__RESPONSE__INIT;

    (void) state;
    intake.name = "intake";
    intake.pid = 1234;
    intake.started_ns = NOW_NS - 3725 * S;
    ship.name = "ship-7";
    ship.restarts = 3;
    ship.last_exit = "exit status 1";
    status.version = "0.1.0";
    status.configuration = "/etc/sluice.yaml";
    status.loaded_ns = NOW_NS - 61 * S;
    status.programs = programs;
    status.n_programs = 2;
    r.status = &status;
    expect_text(render_status, &r,
"sluiced 0.1.0 with /etc/sluice.yaml, loaded 1 min 1 s ago\n"
"\n"
"PROGRAM   PID  RUNNING FOR  RESTARTS  LATEST EXIT\n"
"intake   1234    1 h 2 min         0  -\n"
"ship-7      -            -         3  exit status 1\n");

    status.refused = "f:1: no.";
    status.n_programs = 0;
    expect_text(render_status, &r,
"sluiced 0.1.0 with /etc/sluice.yaml, loaded 1 min 1 s ago\n"
"The latest reload was refused: f:1: no.\n"
"\n"
"No program runs.\n");
    expect_text(render_reload, &r,
"/etc/sluice.yaml: loaded\n"
"  nothing in it changed; the files that it names were read again\n");
    expect_json(&r, "status",
"{\n"
"  \"changes\": [],\n"
"  \"configuration\": \"/etc/sluice.yaml\",\n"
"  \"loaded_ns\": 1699999939000000000,\n"
"  \"more_changes\": 0,\n"
"  \"not_taken\": \"\",\n"
"  \"programs\": [],\n"
"  \"receives\": \"\",\n"
"  \"refused\": \"f:1: no.\",\n"
"  \"started_ns\": 0,\n"
"  \"version\": \"0.1.0\"}\n");

    status.refused = "";
    status.not_taken = "not by intake.";
    expect_text(render_status, &r,
"sluiced 0.1.0 with /etc/sluice.yaml, loaded 1 min 1 s ago\n"
"It is not in use everywhere: not by intake.\n"
"\n"
"No program runs.\n");

    Sluice__Change size = SLUICE__CHANGE__INIT;
    Sluice__Change tenant = SLUICE__CHANGE__INIT;
    Sluice__Change *changes[] = { &size, &tenant };

    size.key = "batch.max-bytes";
    size.change = "changed";
    size.before = "1";
    size.after = "2";
    tenant.key = "tenants[9]";
    tenant.change = "added";
    status.changes = changes;
    status.n_changes = 2;
    status.more_changes = 3;
    expect_text(render_reload, &r,
"/etc/sluice.yaml: loaded\n"
"  batch.max-bytes: changed (1 -> 2)\n"
"  tenants[9]: added\n"
"  and 3 more\n");
}

static void
tenants_are_shown_with_their_books(void **state)
{
    Sluice__Tenant a = SLUICE__TENANT__INIT;
    Sluice__Tenant b = SLUICE__TENANT__INIT;
    Sluice__Tenant *tenants[] = { &a, &b };
    Sluice__Response r = SLUICE__RESPONSE__INIT;

    (void) state;
    a.id = 7;
    a.name = "seven";
    a.queue = "main";
    a.server = "h:514";
    a.state = "connected";
    a.received = 21;
    a.announced = 1;
    a.shipped = 1;
    a.spooled = 2;
    a.open = 3;
    a.quarantined = 4;
    a.dropped = 10;
    a.routed = 1;
    a.redactions = 6;
    a.bytes = 1536;
    a.oldest_ns = NOW_NS - 2 * S;
    b.id = 16777215;
    b.name = "last";
    b.queue = "archive";
    b.server = "[2001:db8::1]:514";
    b.state = "backoff";
    b.error = "Connection refused";
    r.tenants = tenants;
    r.n_tenants = 2;
    expect_text(render_tenants, &r,
"  TENANT  NAME   QUEUE    SERVER             STATE      RECEIVED  "
"+ ANNOUNCED  "
"= SHIPPED  + SPOOLED  + OPEN  + QUARANTINED  + DROPPED  + ROUTED  "
"OLDEST  REDACTIONS    BYTES  LATEST ERROR\n"
"       7  seven  main     h:514              connected        21  "
"          1  "
"        1          2       3              4         10         1  "
"   2 s           6  1.5 KiB  -\n"
"16777215  last   archive  [2001:db8::1]:514  backoff           0  "
"          0  "
"        0          0       0              0          0         0  "
"     -           0      0 B  Connection refused\n");
    r.n_tenants = 1;
    expect_json(&r, "tenants",
"{\n"
"  \"tenants\": [\n"
"    {\n"
"      \"announced\": 1,\n"
"      \"bytes\": 1536,\n"
"      \"dropped\": 10,\n"
"      \"error\": \"\",\n"
"      \"id\": 7,\n"
"      \"name\": \"seven\",\n"
"      \"oldest_ns\": 1699999998000000000,\n"
"      \"open\": 3,\n"
"      \"quarantined\": 4,\n"
"      \"queue\": \"main\",\n"
"      \"received\": 21,\n"
"      \"redactions\": 6,\n"
"      \"routed\": 1,\n"
"      \"server\": \"h:514\",\n"
"      \"shipped\": 1,\n"
"      \"spooled\": 2,\n"
"      \"state\": \"connected\"}]}\n");
}

static void
destinations_are_shown_with_their_circuits(void **state)
{
    Sluice__Destination a = SLUICE__DESTINATION__INIT;
    Sluice__Destination b = SLUICE__DESTINATION__INIT;
    Sluice__Destination *destinations[] = { &a, &b };
    Sluice__Response r = SLUICE__RESPONSE__INIT;

    (void) state;
    a.tenant = b.tenant = 7;
    a.queue = b.queue = "main";
    a.name = "far";
    a.type = "tls";
    a.server = "logs.example:6514";
    a.state = "backoff";
    a.since_ns = NOW_NS - UINT64_C(3000000000);
    a.failures = 12;
    a.next_ns = NOW_NS + UINT64_C(5000000000);
    a.error = "the certificate of logs.example:6514 expired on 2026-01-02 "
              "03:04:05 UTC";
    b.name = "near";
    b.type = "file";
    b.server = "/var/log/near";
    b.state = "connected";
    b.since_ns = NOW_NS - UINT64_C(2000000000);
    r.destinations = destinations;
    r.n_destinations = 2;
    expect_text(render_tenants, &r,
"There is no tenant.\n"
"\n"
"TENANT  QUEUE  DESTINATION  TYPE  SERVER             STATE      SINCE  "
"FAILURES  NEXT ATTEMPT  LATEST ERROR\n"
"     7  main   far          tls   logs.example:6514  backoff      3 s  "
"      12  in 5 s        the certificate of logs.example:6514 expired on "
"2026-01-02 03:04:05 UTC\n"
"     7  main   near         file  /var/log/near      connected    2 s  "
"       0  -             -\n");
}

static void
virtual_machines_are_shown(void **state)
{
    uint8_t uuid[16] = { 0xa0, [6] = 0x40, [8] = 0x80, [15] = 0x01 };
    uint8_t mac[6] = { 0x02, [5] = 0x0a };
    Sluice__Vm a = SLUICE__VM__INIT;
    Sluice__Vm b = SLUICE__VM__INIT;
    Sluice__Vm *vms[] = { &a, &b };
    Sluice__Response r = SLUICE__RESPONSE__INIT;

    (void) state;
    a.tenant = 7;
    a.vm = (ProtobufCBinaryData) { .data = uuid, .len = sizeof uuid };
    a.name = "Büro";
    a.claimed_host = "web";
    a.vtep = "198.18.0.1";
    a.ofp_port = 5;
    a.mac = (ProtobufCBinaryData) { .data = mac, .len = sizeof mac };
    a.origin = "sluice";
    a.seq_highest = 12;
    a.before = 4;
    a.sent = 12;
    a.received = 11;
    a.lost = 1;
    a.tls_streams = 3;
    a.announced = 1;
    a.bytes = 1023;
    a.last_ns = NOW_NS - 2 * S;
    a.clock_skew_known = true;
    a.clock_skew_ms = -3600250;
    a.host_mismatches = 11;
    b.tenant = 8;
    b.vtep = "2001:db8::1";
    b.mac = a.mac;
    b.origin = "stock";
    b.received = 3;
    b.last_ns = NOW_NS + S;
    r.vms = vms;
    r.n_vms = 2;
    expect_text(render_vms, &r,
"TENANT  VM                                    NAME  CLAIMS  MISMATCHES  "
"CLOCK SKEW  HOST         "
"PORT  MAC                ORIGIN  BEFORE  SENT  RECEIVED  LOST  "
"ANNOUNCED  REPLAYED  TLS  REDACTIONS   BYTES  LATEST\n"
"     7  a0000000-0000-4000-8000-000000000001  Büro  web             11  "
" -3600.2 s  198.18.0.1   "
"   5  02:00:00:00:00:0a  sluice       4    12        11     1  "
"        1         0    3           0  1023 B     2 s\n"
"     8  -                                     -     -                0  "
"         -  2001:db8::1  "
"   -  02:00:00:00:00:0a  stock        -     -         3     -  "
"        -         -    0           0     0 B     0 s\n");
    r.n_vms = 1;
    struct ds text = DS_EMPTY_INITIALIZER;
    render_json(&r, "vms", &text);
    assert_non_null(strstr(ds_cstr(&text),
                    "\"vm\": \"a0000000-0000-4000-8000-000000000001\""));
    assert_non_null(strstr(ds_cstr(&text), "\"mac\": \"02:00:00:00:00:0a\""));
    assert_non_null(strstr(ds_cstr(&text), "\"clock_skew_ms\": -3600250"));
    ds_destroy(&text);
}

static void
counters_and_spool_are_shown(void **state)
{
    Sluice__Counter a = SLUICE__COUNTER__INIT;
    Sluice__Counter b = SLUICE__COUNTER__INIT;
    Sluice__Counter *counters[] = { &a, &b };
    Sluice__SpoolTenant s = SLUICE__SPOOL_TENANT__INIT;
    Sluice__SpoolTenant *spool[] = { &s };
    Sluice__Response r = SLUICE__RESPONSE__INIT;

    (void) state;
    a.program = "intake";
    a.name = "packets";
    a.value = UINT64_MAX;
    a.unit = "packets";
    a.text = "datagrams received";
    b.program = "ship";
    b.tenant = 7;
    b.queue = "main";
    b.name = "shipped";
    b.unit = "lines";
    b.text = "lines the tenant's server took";
    r.counters = counters;
    r.n_counters = 2;
    expect_text(render_counters, &r,
"PROGRAM  TENANT  QUEUE  COUNTER                 VALUE  UNIT     MEANING\n"
"intake        -  -      packets  18446744073709551615  packets  "
"datagrams received\n"
"ship          7  main   shipped                     0  lines    "
"lines the tenant's server took\n");

    s.tenant = 7;
    s.queue = "main";
    s.configured = true;
    s.batches = 2;
    s.lines = 300;
    s.bytes = 5 * 1024 * 1024;
    s.oldest_ns = NOW_NS - 60 * S;
    s.foreign = 3;
    r.spool = spool;
    r.n_spool = 1;
    expect_text(render_spool, &r,
"TENANT  QUEUE  BATCHES  LINES     SIZE     OLDEST  QUARANTINED BATCHES  "
"QUARANTINED LINES  FOREIGN FILES  SHIPPED\n"
"     7  main         2    300  5.0 MiB  1 min 0 s                    0  "
"                0              3  yes\n");
}

static void
batches_are_shown(void **state)
{
    Sluice__SpoolBatch a = SLUICE__SPOOL_BATCH__INIT;
    Sluice__SpoolBatch b = SLUICE__SPOOL_BATCH__INIT;
    Sluice__SpoolBatch *batches[] = { &a, &b };
    Sluice__Response r = SLUICE__RESPONSE__INIT;
    struct ds text = DS_EMPTY_INITIALIZER;
    uint8_t stream[8] = { 1, 2, 3, 4, 5, 6, 7, 0xff };

    (void) state;
    a.tenant = 7;
    a.queue = "main";
    a.state = "quarantined";
    a.in_quarantine = true;
    a.generation = 1;
    a.number = UINT64_MAX;
    a.name = "0000000001-18446744073709551615.batch";
    a.lines = 12;
    a.bytes = 1536;
    a.raw_size = 4096;
    a.created_ns = NOW_NS - 61 * S;
    a.reason = "it was changed";
    b.tenant = 7;
    b.queue = "main";
    b.state = "foreign";
    b.in_quarantine = true;
    b.name = "notes";
    r.batches = batches;
    r.n_batches = 2;
    expect_text(render_batches, &r,
"BATCH                          STATE        LINES     SIZE        AGE  REASON\n"
"7/main/1-18446744073709551615  quarantined     12  1.5 KiB  1 min 1 s  "
"it was changed\n"
"7/main/quarantine/notes        foreign          -        -          -  -\n");

    a.recipient = (ProtobufCBinaryData) { .len = 8, .data = stream };
    a.stream = (ProtobufCBinaryData) { .len = 8, .data = stream };
    a.is_recovered = true;
    render_batch(&a, NOW_NS, &text);
    assert_string_equal(ds_cstr(&text),
"7/main/1-18446744073709551615:\n"
"  state        quarantined\n"
"  reason       it was changed\n"
"  file         0000000001-18446744073709551615.batch\n"
"  lines        12\n"
"  bytes        1536, of 4096 uncompressed\n"
"  closed       2023-11-14T22:12:19Z, 1 min 1 s ago\n"
"  stream       01020304050607ff\n"
"  place        out of turn\n"
"  sealed to    another key than the proxy's, the tenant's\n"
"  recipient    01020304050607ff\n");
    ds_destroy(&text);
}

static void
nothing_is_told_as_a_sentence(void **state)
{
    const Sluice__Response r = SLUICE__RESPONSE__INIT;

    (void) state;
    expect_text(render_tenants, &r, "There is no tenant.\n");
    expect_text(render_vms, &r,
                "No virtual machine has sent anything yet.\n");
    expect_text(render_counters, &r, "Nothing was counted yet.\n");
    expect_text(render_spool, &r, "There is no tenant.\n");
    expect_text(render_status, &r, "");
    expect_json(&r, "vms", "{\n  \"vms\": []}\n");
}

static void
an_error_is_json_too(void **state)
{
    Sluice__Response r = SLUICE__RESPONSE__INIT;

    (void) state;
    r.error = "say \"no\".";
    expect_json(&r, "reload", "{\n  \"error\": \"say \\\"no\\\".\"}\n");
}

static void
sizes_and_durations_have_units(void **state)
{
    static const struct table_column columns[] = { { "N", TABLE_LEFT } };
    struct ds text = DS_EMPTY_INITIALIZER;
    struct table t;

    (void) state;
    table_init(&t, columns, 1);
    table_add_bytes(&t, 0);
    table_add_bytes(&t, 1024);
    table_add_bytes(&t, 1024 * 1024 - 1);
    table_add_bytes(&t, UINT64_MAX);
    table_add_age(&t, 0, NOW_NS);
    table_add_age(&t, NOW_NS - 59 * S, NOW_NS);
    table_add_age(&t, NOW_NS - 86399 * S, NOW_NS);
    table_add_age(&t, NOW_NS - 90000 * S, NOW_NS);
    table_format(&t, "", &text);
    table_destroy(&t);
    assert_string_equal(ds_cstr(&text), "N\n0 B\n1.0 KiB\n1.0 MiB\n"
                        "16384.0 PiB\n-\n59 s\n23 h 59 min\n1 d 1 h\n");
    ds_destroy(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_are_shown),
        cmocka_unit_test(tenants_are_shown_with_their_books),
        cmocka_unit_test(destinations_are_shown_with_their_circuits),
        cmocka_unit_test(virtual_machines_are_shown),
        cmocka_unit_test(counters_and_spool_are_shown),
        cmocka_unit_test(batches_are_shown),
        cmocka_unit_test(nothing_is_told_as_a_sentence),
        cmocka_unit_test(an_error_is_json_too),
        cmocka_unit_test(sizes_and_durations_have_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
