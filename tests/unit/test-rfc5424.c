/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "../strict-rfc5424.h"
#include "context.pb-c.h"
#include "rfc5424.h"
#include "syslog-msg.h"

#define SD_ID "sluice@32473"

/* 2026-11-20T16:13:00.123456789Z. */
#define SWITCH_NS UINT64_C(1795191180123456789)
#define TIME_PARAM " time=\"2026-11-20T16:13:00.123456789Z\""

static const uint8_t uuid[16] = {
    0x8a, 0x6e, 0x08, 0x04, 0x2b, 0xd0, 0x46, 0x72,
    0xb7, 0x9d, 0xd9, 0x70, 0x27, 0xf9, 0x07, 0x1a,
};
#define UUID "8a6e0804-2bd0-4672-b79d-d97027f9071a"

static const uint8_t activity[16] = {
    0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6,
    0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36,
};

static const uint8_t ipv4[16] = {
    [10] = 0xff, 0xff, 10, 0, 0, 1,
};

/* A source of tenant 7 with nothing but a MAC. */
static const struct batch_source bare_source = {
    .id = 1, .tenant = 7, .mac = { 0x02, 0, 0, 0, 0xab, 0x01 },
};
#define MAC "02:00:00:00:ab:01"

static const struct batch_line bare_line = {
    .source = 1, .switch_ns = SWITCH_NS, .pri = 13,
};

/* Serializes the context of a VM called 'name' with 'n' pairs of key and value
 * into 'buf'. */
static struct slice
make_context(uint8_t *buf, size_t cap, char *name, char *(*pairs)[2],
             size_t n)
{
    Sluice__VmContext context = SLUICE__VM_CONTEXT__INIT;
    Sluice__ContextValue values[16];
    Sluice__ContextValue *pointers[16];

    assert_true(n <= 16);
    for (size_t i = 0; i < n; i++) {
        sluice__context_value__init(&values[i]);
        values[i].key = pairs[i][0];
        values[i].value = pairs[i][1];
        pointers[i] = &values[i];
    }
    context.name = name;
    context.n_value = n;
    context.value = pointers;
    assert_true(sluice__vm_context__get_packed_size(&context) <= cap);
    return slice_of(buf, sluice__vm_context__pack(&context, buf));
}

/* Renders 'line' of 'source' and returns the message without its frame, null-
 * terminated, after checking it with the strict parser. */
static char *
render(const struct batch_source *source, const struct batch_line *line,
       struct strict_message *m)
{
    static uint8_t buf[1 << 17];
    struct rfc5424_source *s = rfc5424_source_create(source, SD_ID);

    assert_non_null(s);
    size_t size = rfc5424_put_line(buf, sizeof buf - 1, s, line);
    rfc5424_source_destroy(s);
    assert_true(size > 0);
    buf[size] = '\0';
    const char *wanted = strict_parse(buf, size, m);
    if (wanted) {
        print_error("wanted %s in: %s\n", wanted, (char *) buf);
    }
    assert_null(wanted);
    return strchr((char *) buf, ' ') + 1;
}

static void
assert_renders(const struct batch_source *source,
               const struct batch_line *line, const char *expected)
{
    struct strict_message m;

    assert_string_equal(render(source, line, &m), expected);
}

/* Returns our SD-PARAM 'name' of a line, null-terminated, or null. */
static const char *
render_param(const struct batch_source *source, const struct batch_line *line,
             const char *name)
{
    static char value[4096];
    struct strict_message m;

    render(source, line, &m);
    const struct strict_param *param = strict_find_param(&m, name);
    if (!param) {
        return NULL;
    }
    assert_true(param->value.n < sizeof value);
    memcpy(value, param->value.p, param->value.n);
    value[param->value.n] = '\0';
    return value;
}

static void
a_line_with_everything_has_everything(void **state)
{
    char *pairs[][2] = { { "guest-os", "Debian 12" }, { "cluster", "b" } };
    uint8_t context[256];
    struct batch_source source = bare_source;
    struct batch_line line = bare_line;

    (void) state;
    source.has_vm = true;
    memcpy(source.vm, uuid, 16);
    source.ofp_port = 3;
    source.vtep = slice_of((const uint8_t[]) { 198, 18, 0, 1 }, 4);
    source.stock = true;
    source.context_pending = true;
    source.context = make_context(context, sizeof context, "web-1", pairs, 2);
    line.seq_epoch = 1700000000;
    line.seq_number = 42;
    line.switch_ns_is_receipt = true;
    line.activity = slice_of(activity, 16);
    line.pri = 165;
    line.has_time = true;
    line.time_ns = -1;
    line.hostname = slice_from_string("db-9");
    line.app_name = slice_from_string("nginx");
    line.procid = slice_from_string("8710");
    line.msgid = slice_from_string("ID47");
    line.sd = slice_from_string("[a@1 b=\"\\]\"][" SD_ID " c=\"d\"]");
    line.msg = slice_from_string("hello");
    line.redactions = 2;
    line.receipt = slice_from_string("password:1,token:1");
    line.owner_pid = 4711;
    line.owner_uid = 0;
    line.src_ip = slice_of(ipv4, 16);
    assert_renders(&source, &line,
                   "<165>1 1969-12-31T23:59:59.999999Z web-1 nginx 8710 ID47 "
                   "[" SD_ID " tenant=\"7\" vm=\"" UUID "\" name=\"web-1\" "
                   "host-vtep=\"198.18.0.1\" port=\"3\"" TIME_PARAM
                   " seq=\"1700000000:42\" "
                   "activity=\"4bf92f3577b34da6a3ce929d0e0e4736\" "
                   "owner-pid=\"4711\" owner-uid=\"0\" "
                   "claimed-host=\"db-9\" src-ip=\"10.0.0.1\" "
                   "time-is-receipt=\"1\" redactions=\"2\" "
                   "redacted=\"password:1,token:1\" forged-sd=\"1\" "
                   "origin=\"stock\" ctx=\"pending\" guest-os=\"Debian 12\" "
                   "cluster=\"b\"][a@1 b=\"\\]\"][x-" SD_ID " c=\"d\"] hello");
}

static void
what_is_not_known_is_absent(void **state)
{
    (void) state;
    assert_renders(&bare_source, &bare_line,
                   "<13>1 2026-11-20T16:13:00.123456Z " MAC " - - - "
                   "[" SD_ID " tenant=\"7\"" TIME_PARAM "]");
}

static void
hostname_is_the_name_or_the_uuid_or_the_mac(void **state)
{
    static const struct {
        char *name;
        const char *hostname;
        const char *param;
    } cases[] = {
        { "web-1", "web-1", "web-1" },
        { "web 1\tb\xc3\xb6se/\x7f\xff", "web_1_b_se___",
          "web 1#011b\xc3\xb6se/#177\xef\xbf\xbd" },
        { "", UUID, NULL }, { "-", UUID, "-" }, { "..", UUID, ".." },
    };
    struct batch_source source = bare_source;
    struct strict_message m;

    (void) state;
    source.has_vm = true;
    memcpy(source.vm, uuid, 16);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t context[256];
        source.context = make_context(context, sizeof context, cases[i].name,
                                      NULL, 0);
        render(&source, &bare_line, &m);
        assert_true(strict_is(m.hostname, cases[i].hostname,
                              strlen(cases[i].hostname)));
        const char *param = render_param(&source, &bare_line, "name");
        if (cases[i].param) {
            assert_string_equal(param, cases[i].param);
        } else {
            assert_null(param);
        }
    }

    char name[400];
    uint8_t context[512];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    source.context = make_context(context, sizeof context, name, NULL, 0);
    render(&source, &bare_line, &m);
    assert_int_equal(m.hostname.n, 255);
}

static void
a_claimed_host_shows_only_where_it_differs(void **state)
{
    uint8_t context[64];
    struct batch_source source = bare_source;
    struct batch_line line = bare_line;

    (void) state;
    line.hostname = slice_from_string("web-1");
    assert_string_equal(render_param(&source, &line, "claimed-host"), "web-1");
    source.context = make_context(context, sizeof context, "web-1", NULL, 0);
    assert_null(render_param(&source, &line, "claimed-host"));
    line.hostname = slice_from_string("web-10");
    assert_string_equal(render_param(&source, &line, "claimed-host"),
                        "web-10");
}

static void
a_clock_skew_shows_in_seconds(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        { 0, NULL }, { 2000, "2.000" }, { -2001, "-2.001" },
        { 3600250, "3600.250" }, { -7, "-0.007" },
        { INT64_MAX, "9223372036854775.807" },
        { INT64_MIN, "-9223372036854775.808" },
    };
    struct batch_line line = bare_line;

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        line.clock_skew_ms = cases[i].ms;
        const char *text = render_param(&bare_source, &line, "clock-skew");
        if (cases[i].text) {
            assert_non_null(text);
            assert_string_equal(text, cases[i].text);
        } else {
            assert_null(text);
        }
    }
}

static void
values_are_escaped_and_made_safe(void **state)
{
    static const struct {
        const char *value;
        const char *escaped;
    } cases[] = {
        { "\"]\\", "\\\"\\]\\\\" }, { "[=a b", "[=a b" },
        { "\x01\n\x1f\x7f", "#001#012#037#177" },
        { "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7",
          "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7" },
        { "\xff|\xc3|\xe2\x82|\xed\xa0\x80|\xc0\x80",
          "\xef\xbf\xbd|\xef\xbf\xbd|\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd"
          "\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd" },
        { "\xc2\x9b\xe2\x80\xae", "\xef\xbf\xbd\xef\xbf\xbd" },
    };
    struct batch_line line = bare_line;

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        line.hostname = slice_from_string(cases[i].value);
        assert_string_equal(render_param(&bare_source, &line, "claimed-host"),
                            cases[i].escaped);
    }
}

/* Writes 'code' as UTF-8.  Returns its size. */
static size_t
put_utf8(char *p, uint32_t code)
{
    if (code < 0x80) {
        p[0] = code;
        return 1;
    }
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, code >>= 6) {
        p[i] = 0x80 | (code & 0x3f);
    }
    p[0] = (uint8_t) (0xf00 >> n) | code;
    return n;
}

static void
each_character_is_escaped_as_the_table_says(void **state)
{
    enum how { NONE, OCTAL, BACKSLASH, REPLACED };
    static const struct {
        uint32_t first, last;
        enum how how;
    } rows[] = {
#define RFC5424_ESCAPE(FIRST, LAST, HOW, TEXT) { FIRST, LAST, HOW },
#include "rfc5424-escapes.def"
#undef RFC5424_ESCAPE
    };
    struct batch_line line = bare_line;

    (void) state;
    for (uint32_t code = 1; code < 0x110000; code += code < 0x3000 ? 1 : 61) {
        char value[5] = "", expected[8];
        enum how how = NONE;

        if (code >= 0xd800 && code < 0xe000) {
            continue;           /* Surrogates are no characters. */
        }
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            if (code >= rows[i].first && code <= rows[i].last) {
                how = rows[i].how;
            }
        }
        value[put_utf8(value, code)] = '\0';
        snprintf(expected, sizeof expected,
                 how == OCTAL ? "#%03o" : how == BACKSLASH ? "\\%c"
                 : how == REPLACED ? "\xef\xbf\xbd" : "", code);
        line.hostname = slice_from_string(value);
        assert_string_equal(render_param(&bare_source, &line, "claimed-host"),
                            how == NONE ? value : expected);
    }
}

static void
context_cannot_speak_for_the_switch(void **state)
{
    char *pairs[][2] = {
        { "tenant", "8" }, { "forged-sd", "0" }, { "", "no key" },
        { "a b=\"]\xc3\xa4", "v" }, { "x-tenant", "9" },
        { "a-key-that-is-longer-than-32-bytes", "cut" }, { "tab", "\t\"" },
    };
    uint8_t context[512];
    struct batch_source source = bare_source;

    (void) state;
    source.context = make_context(context, sizeof context, "web-1", pairs, 7);
    assert_renders(&source, &bare_line,
                   "<13>1 2026-11-20T16:13:00.123456Z web-1 - - - "
                   "[" SD_ID " tenant=\"7\" name=\"web-1\"" TIME_PARAM
                   " x-tenant=\"8\" x-forged-sd=\"0\" a_b_____=\"v\" "
                   "x-tenant=\"9\" a-key-that-is-longer-than-32-byt=\"cut\" "
                   "tab=\"#011\\\"\"]");
}

static void
a_line_gets_the_sets_of_context_that_it_asks_for(void **state)
{
    char *pairs[][2] = { { "host", "hv-1" }, { "cpu", "9" }, { "", "x" } };
    uint8_t context[256];
    struct batch_source source = bare_source;
    struct batch_line line = bare_line;
    Sluice__VmContext *vm;

    (void) state;
    struct slice packed = make_context(context, sizeof context, "", pairs, 3);
    vm = sluice__vm_context__unpack(NULL, packed.size, packed.data);
    vm->value[0]->sets = 2;
    vm->value[1]->sets = 4 | 8;
    source.context = slice_of(context, sluice__vm_context__pack(vm, context));
    sluice__vm_context__free_unpacked(vm, NULL);

    assert_string_equal(render_param(&source, &line, "host"), "hv-1");
    assert_string_equal(render_param(&source, &line, "cpu"), "9");
    line.context_sets = 1 | 2;
    assert_string_equal(render_param(&source, &line, "host"), "hv-1");
    assert_null(render_param(&source, &line, "cpu"));
    line.context_sets = 1 | 8;
    assert_null(render_param(&source, &line, "host"));
    assert_string_equal(render_param(&source, &line, "cpu"), "9");
    line.context_sets = 1;
    assert_null(render_param(&source, &line, "host"));
    assert_null(render_param(&source, &line, "cpu"));

    source.context_by_ip = true;
    assert_string_equal(render_param(&source, &line, "ctx"), "by-ip");
}

static void
context_that_cannot_be_decoded_is_left_out(void **state)
{
    struct batch_source source = bare_source;

    (void) state;
    source.context = slice_from_string("\xff\xff\xff");
    assert_renders(&source, &bare_line,
                   "<13>1 2026-11-20T16:13:00.123456Z " MAC " - - - "
                   "[" SD_ID " tenant=\"7\"" TIME_PARAM "]");
}

static void
only_our_exact_sd_id_is_renamed(void **state)
{
    static const struct {
        const char *in;
        const char *out;
        bool forged;
    } cases[] = {
        { "[" SD_ID "]", "[x-" SD_ID "]", true },
        { "[" SD_ID " a=\"b\"][" SD_ID "][z]",
          "[x-" SD_ID " a=\"b\"][x-" SD_ID "][z]", true },
        { "[x-" SD_ID "]", "[x-" SD_ID "]", false },
        { "[" SD_ID "3]", "[" SD_ID "3]", false },
        { "[Sluice@32473]", "[Sluice@32473]", false },
        { "[a b=\"[" SD_ID "\"]", "[a b=\"[" SD_ID "\"]", false },
        { "[a][a]", "[a][a]", false },
    };
    struct batch_line line = bare_line;

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct strict_message m;
        char expected[512];

        line.sd = slice_from_string(cases[i].in);
        snprintf(expected, sizeof expected,
                 "<13>1 2026-11-20T16:13:00.123456Z " MAC " - - - "
                 "[" SD_ID " tenant=\"7\"" TIME_PARAM "%s]%s",
                 cases[i].forged ? " forged-sd=\"1\"" : "", cases[i].out);
        assert_string_equal(render(&bare_source, &line, &m), expected);
    }
}

static void
a_long_sd_id_is_renamed_within_its_limit(void **state)
{
    static const char id[] = "12345678901234567890123456@32473";
    struct rfc5424_source *s = rfc5424_source_create(&bare_source, id);
    struct batch_line line = bare_line;
    struct strict_message m;
    uint8_t buf[1024];

    (void) state;
    assert_non_null(s);
    line.sd = slice_from_string("[12345678901234567890123456@32473 a=\"\"]");
    size_t size = rfc5424_put_line(buf, sizeof buf, s, &line);
    assert_null(strict_parse(buf, size, &m));
    assert_true(strict_is(m.elements[1].id,
                          "x-12345678901234567890123456@324", 32));
    rfc5424_source_destroy(s);
}

static void
malformed_structured_data_becomes_text(void **state)
{
    struct batch_line line = bare_line;

    (void) state;
    line.sd = slice_from_string("[a][b c=\"]\"]");
    line.msg = slice_from_string("text");
    assert_renders(&bare_source, &line,
                   "<13>1 2026-11-20T16:13:00.123456Z " MAC " - - - "
                   "[" SD_ID " tenant=\"7\"" TIME_PARAM "] [a][b c=\"]\"] "
                   "text");
}

static void
fields_are_cut_and_cleaned(void **state)
{
    char long_field[300];
    struct batch_line line = bare_line;
    struct strict_message m;

    (void) state;
    memset(long_field, 'x', sizeof long_field);
    long_field[1] = ' ';
    long_field[2] = '\n';
    long_field[3] = '\xff';
    line.app_name = line.procid = line.msgid = slice_of(long_field, 300);
    line.pri = 192;
    render(&bare_source, &line, &m);
    assert_int_equal(m.pri, SYSLOG_DEFAULT_PRI);
    assert_int_equal(m.app_name.n, 48);
    assert_int_equal(m.procid.n, 128);
    assert_int_equal(m.msgid.n, 32);
    assert_memory_equal(m.app_name.p, "x___x", 5);
}

static void
the_text_goes_out_byte_for_byte(void **state)
{
    static const uint8_t texts[][8] = {
        "a\nb\0c\r\n", " lead", "\xef\xbb\xbf" "bom", "\xff\xfe\xc3",
        "\xc3\xa4", "]\"\\", "<13>1 -",
    };
    struct batch_line line = bare_line;
    struct strict_message m;

    (void) state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        line.msg = slice_of(texts[i], 8);
        render(&bare_source, &line, &m);
        assert_true(m.has_msg);
        assert_true(strict_is(m.msg, texts[i], 8));
    }
}

static void
addresses_are_written_as_inet_ntop_writes_them(void **state)
{
    struct batch_line line = bare_line;
    struct batch_source source = bare_source;
    uint8_t ip[16];

    (void) state;
    srandom(5424);
    for (int i = 0; i < 3000; i++) {
        char expected[INET6_ADDRSTRLEN];

        for (size_t j = 0; j < 16; j += 2) {
            ip[j] = random() % 2 ? 0 : random();
            ip[j + 1] = random() % 2 ? ip[j] : random();
        }
        ip[0] |= 0x20;          /* Else it may embed an IPv4 address. */
        assert_non_null(inet_ntop(AF_INET6, ip, expected, sizeof expected));
        line.src_ip = slice_of(ip, 16);
        assert_string_equal(render_param(&source, &line, "src-ip"), expected);
        source.vtep = slice_of(ip, 16);
        assert_string_equal(render_param(&source, &line, "host-vtep"),
                            expected);
    }

    line.src_ip = slice_of(ipv4, 16);
    assert_string_equal(render_param(&source, &line, "src-ip"), "10.0.0.1");
    source.vtep = slice_of(ipv4, 16);
    assert_string_equal(render_param(&source, &line, "host-vtep"),
                        "10.0.0.1");
    static const uint8_t zeros[16];
    line.src_ip = slice_of(zeros, 16);
    assert_string_equal(render_param(&source, &line, "src-ip"), "::");
}

static void
msg_len_is_right_at_every_number_of_digits(void **state)
{
    static char text[100100];
    struct batch_line line = bare_line;
    struct strict_message m;

    (void) state;
    memset(text, 'x', sizeof text);
    for (size_t size = 0; size < sizeof text;
         size += size < 1100 || (size > 9500 && size < 10100)
                 || size > 99500 ? 1 : 500) {
        line.msg = slice_of(text, size);
        render(&bare_source, &line, &m);
        assert_int_equal(m.msg.n, size);
    }
}

static void
only_a_line_that_does_not_fit_is_refused(void **state)
{
    struct rfc5424_source *s = rfc5424_source_create(&bare_source, SD_ID);
    struct batch_line line = bare_line;
    char text[1000];

    (void) state;
    assert_non_null(s);
    memset(text, 'x', sizeof text);
    line.sd = slice_from_string("[" SD_ID " a=\"b\"]");
    for (size_t n = 0; n < sizeof text; n++) {
        uint8_t big[2048];

        line.msg = slice_of(text, n);
        size_t size = rfc5424_put_line(big, sizeof big, s, &line);
        assert_true(size > n);
        for (size_t cap = n % 99 ? size - 1 : 0; cap <= size; cap++) {
            uint8_t *exact = malloc(cap ? cap : 1);
            assert_non_null(exact);
            assert_int_equal(rfc5424_put_line(exact, cap, s, &line),
                             cap < size ? 0 : size);
            free(exact);
        }
    }
    rfc5424_source_destroy(s);
}

/* Bytes that make trouble, and some that do not. */
static size_t
hostile_bytes(uint8_t *p, size_t max)
{
    static const char *const pieces[] = {
        "\"", "\\", "]", "[", "=", " ", "-", "a", "b@1", SD_ID, "x-" SD_ID,
        "\n", "\r", "\t", "\x7f", "\xef\xbb\xbf", "\xc3\xa4", "\xc3", "\xff",
        "\xe2\x80\xae", "<13>", ":", "] ", "\"]", "[a b=\"c\"]",
        "[" SD_ID " tenant=\"9\"]", "42 ", "]]", "\\]", "\\\\",
    };
    size_t n_pieces = random() % 12;
    size_t n = 0;

    for (size_t i = 0; i < n_pieces; i++) {
        const char *piece = pieces[random()
                                   % (sizeof pieces / sizeof pieces[0])];
        if (n + strlen(piece) <= max) {
            memcpy(p + n, piece, strlen(piece));
            n += strlen(piece);
        }
    }
    if (n < max && random() % 8 == 0) {
        p[n++] = '\0';
    }
    return n;
}

static void
hostile_messages_come_out_unambiguous(void **state)
{
    static const char *const heads[] = {
        "<34>1 2003-10-11T22:14:15.003Z host app 12 ID47 ",
        "<34>1 - host app 12 ID47 [a b=\"c\"]",
        "<34>1 - host app 12 ID47 [" SD_ID " b=\"c\"][z]",
        "<34>1 - - - - - [a b=\"\\]\"][" SD_ID " b=\"c\"][z] ",
        "<34>1 - - - - - [a b=\"", "<34>1 - - - - - - ", "<34>Oct 11 22:14:15 host app[1]: ",
        "<34>Oct 11 22:14:15 ", "<34>", "",
    };
    int n_forged = 0, n_sd = 0;

    (void) state;
    srandom(20261120);
    for (int i = 0; i < 20000; i++) {
        uint8_t text[1024], host[256];
        const char *head = heads[random() % (sizeof heads / sizeof heads[0])];
        struct syslog_msg in;
        struct batch_line line = bare_line;
        struct strict_message m;

        memcpy(text, head, strlen(head));
        size_t size = strlen(head)
                      + hostile_bytes(text + strlen(head), 512);
        syslog_msg_parse(slice_of(text, size), SWITCH_NS, &in);
        line.pri = in.pri;
        line.has_time = in.has_time;
        line.time_ns = in.time_ns;
        line.hostname = slice_of(host, hostile_bytes(host, sizeof host));
        line.app_name = in.app_name;
        line.procid = in.procid;
        line.msgid = in.msgid;
        line.sd = in.sd;
        line.msg = in.msg;

        render(&bare_source, &line, &m);
        assert_int_equal(m.pri, in.pri);
        assert_true(strict_is(m.msg, in.msg.data, in.msg.size));
        assert_true(strict_is(m.hostname, MAC, strlen(MAC)));
        assert_true(strict_is(m.elements[0].id, SD_ID, strlen(SD_ID)));
        assert_true(strict_is(strict_find_param(&m, "tenant")->value, "7", 1));
        assert_int_equal(strict_find_param(&m, "claimed-host") != NULL,
                         line.hostname.size != 0);

        /* The inbound elements follow in order; only ours is renamed. */
        struct slice rest = in.sd;
        bool forged = false;
        for (size_t j = 1; j < m.n_elements; j++) {
            struct strict_text whole = m.elements[j].whole;

            assert_false(strict_is(m.elements[j].id, SD_ID, strlen(SD_ID)));
            if (rest.size < whole.n || memcmp(rest.data, whole.p, whole.n)) {
                assert_memory_equal(whole.p, "[x-" SD_ID, 15);
                assert_true(rest.size >= whole.n - 2);
                assert_memory_equal(rest.data + 1, whole.p + 3, whole.n - 3);
                whole.n -= 2;
                forged = true;
            }
            rest = slice_of(rest.data + whole.n, rest.size - whole.n);
            n_sd++;
        }
        assert_int_equal(rest.size, 0);
        assert_int_equal(strict_find_param(&m, "forged-sd") != NULL, forged);
        n_forged += forged;
    }
    assert_true(n_forged > 100);
    assert_true(n_sd > 1000);
}

static void
a_gap_record_says_what_is_missing(void **state)
{
    (void) state;
    static const uint8_t ipv6[16] = { 0xfd, [15] = 1 };
    struct batch_line line = {
        .source = 1, .switch_ns = SWITCH_NS, .pri = 44,
        .app_name = slice_from_string("sluice"),
        .msgid = slice_from_string("gap"),
        .msg = slice_from_string("12 bytes"),
        .src_ip = slice_of(ipv4, 16),
        .gap = {
            .reason = slice_from_string("tcp-missing"),
            .packets = 2,
            .bytes = UINT64_MAX,
            .from_ns = SWITCH_NS - 1000,
            .to_ns = SWITCH_NS,
            .protocol = 6,
            .src_port = 40000,
            .dst_port = 514,
            .dst_ip = slice_of(ipv6, 16),
        },
    };

    assert_renders(
        &bare_source, &line,
        "<44>1 2026-11-20T16:13:00.123456Z " MAC " sluice - gap "
        "[" SD_ID " tenant=\"7\"" TIME_PARAM " src-ip=\"10.0.0.1\" "
        "gap=\"tcp-missing\" gap-packets=\"2\" "
        "gap-bytes=\"18446744073709551615\" "
        "gap-from=\"2026-11-20T16:13:00.123455789Z\" "
        "gap-to=\"2026-11-20T16:13:00.123456789Z\" "
        "gap-flow=\"tcp 10.0.0.1 40000 fd00::1 514\"] 12 bytes");
}

static void
a_record_of_a_rule_says_how_many_lines_it_dropped(void **state)
{
    (void) state;
    /* Of no VM. */
    static const struct batch_source source = { .id = 1, .tenant = 7 };
    struct batch_line line = {
        .source = 1, .switch_ns = SWITCH_NS, .pri = 45,
        .app_name = slice_from_string("sluice"),
        .msgid = slice_from_string("gap"),
        .msg = slice_from_string("2 lines"),
        .gap = {
            .reason = slice_from_string("rule-drop"),
            .lines = 2,
            .rule = slice_from_string("quiet-cron"),
        },
    };

    assert_renders(
        &source, &line,
        "<45>1 2026-11-20T16:13:00.123456Z - sluice - gap "
        "[" SD_ID " tenant=\"7\"" TIME_PARAM
        " gap=\"rule-drop\" gap-lines=\"2\" gap-rule=\"quiet-cron\"] 2 lines");
}

static void
a_line_tells_more_if_a_rule_asks_for_it(void **state)
{
    (void) state;
    struct batch_line line = {
        .source = 1, .switch_ns = SWITCH_NS, .pri = 13,
        .msg = slice_from_string("m"),
        .src_ip = slice_of(ipv4, 16),
        .route = slice_from_string("not-shown"),
        .verbose = {
            .rule = slice_from_string("look"),
            .received_ns = SWITCH_NS,
            .protocol = 17,
            .src_port = 40000,
            .dst_port = 514,
            .dst_ip = slice_of(ipv4, 16),
        },
    };

    assert_renders(
        &bare_source, &line,
        "<13>1 2026-11-20T16:13:00.123456Z " MAC " - - - "
        "[" SD_ID " tenant=\"7\"" TIME_PARAM " src-ip=\"10.0.0.1\" "
        "rule=\"look\" received=\"2026-11-20T16:13:00.123456789Z\" "
        "flow=\"udp 10.0.0.1 40000 10.0.0.1 514\"] m");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_with_everything_has_everything),
        cmocka_unit_test(what_is_not_known_is_absent),
        cmocka_unit_test(a_gap_record_says_what_is_missing),
        cmocka_unit_test(a_record_of_a_rule_says_how_many_lines_it_dropped),
        cmocka_unit_test(a_line_tells_more_if_a_rule_asks_for_it),
        cmocka_unit_test(hostname_is_the_name_or_the_uuid_or_the_mac),
        cmocka_unit_test(a_claimed_host_shows_only_where_it_differs),
        cmocka_unit_test(a_clock_skew_shows_in_seconds),
        cmocka_unit_test(values_are_escaped_and_made_safe),
        cmocka_unit_test(each_character_is_escaped_as_the_table_says),
        cmocka_unit_test(context_cannot_speak_for_the_switch),
        cmocka_unit_test(a_line_gets_the_sets_of_context_that_it_asks_for),
        cmocka_unit_test(context_that_cannot_be_decoded_is_left_out),
        cmocka_unit_test(only_our_exact_sd_id_is_renamed),
        cmocka_unit_test(a_long_sd_id_is_renamed_within_its_limit),
        cmocka_unit_test(malformed_structured_data_becomes_text),
        cmocka_unit_test(fields_are_cut_and_cleaned),
        cmocka_unit_test(the_text_goes_out_byte_for_byte),
        cmocka_unit_test(addresses_are_written_as_inet_ntop_writes_them),
        cmocka_unit_test(msg_len_is_right_at_every_number_of_digits),
        cmocka_unit_test(only_a_line_that_does_not_fit_is_refused),
        cmocka_unit_test(hostile_messages_come_out_unambiguous),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
