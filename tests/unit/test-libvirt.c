/* SPDX-License-Identifier: Apache-2.0
 *
 * The libvirt source without a libvirt: what its XML means, what becomes of
 * reports, and of a sluice-libvirt that is silent, dies or says nonsense. */
#include <config.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "context.pb-c.h"
#include "libvirt-domain.h"
#include "libvirt-link.h"
#include "libvirt-model.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "timeval.h"
#include "unit.h"
#include "util.h"

#define KIND(NAME) SLUICE__LIBVIRT_KIND__LIBVIRT_##NAME

/* XML. */

static struct libvirt_domain *
parse(const char *xml)
{
    struct libvirt_domain *d = NULL;
    char *problem = libvirt_domain_parse(slice_from_string(xml), &d);

    if (problem) {
        fail_msg("%s", problem);
    }
    return d;
}

static void
all_that_matters_is_read(void **state)
{
    struct libvirt_domain *d = parse(
        "<domain type='kvm' id='3'><name>instance-7</name><title> A \n b "
        "</title><description>one\ttwo</description>"
        "<metadata><libosinfo:libosinfo xmlns:libosinfo=\"http://libosinfo.org"
        "/xmlns/libvirt/domain/1.0\"><libosinfo:os id=\"http://debian.org/"
        "debian/12\"/></libosinfo:libosinfo>"
        "<nova:instance xmlns:nova=\"http://openstack.org/xmlns/libvirt/nova/"
        "1.0\"><nova:name>web</nova:name><nova:flavor name=\"m1.big\"/>"
        "<nova:owner><nova:user uuid=\"u\">alice</nova:user>"
        "<nova:project uuid=\"p\">shop</nova:project></nova:owner>"
        "</nova:instance></metadata>"
        "<memory unit='KiB'>4194304</memory>"
        "<currentMemory unit='KiB'>2097152</currentMemory>"
        "<vcpu placement='static' current='2'>8</vcpu>"
        "<devices><disk/><interface type='bridge'>"
        "<mac address='52:54:00:00:00:01'/></interface>"
        "<interface type='hostdev'><mac address='00:00:00:00:00:00'/>"
        "</interface><interface type='user'>"
        "<mac address='52:54:00:00:00:02'/></interface></devices></domain>");

    assert_string_equal(d->name, "instance-7");
    assert_int_equal(d->n_macs, 2);
    assert_int_equal(d->macs[1][5], 2);
    const struct { enum libvirt_key key; const char *value; } want[] = {
        { LIBVIRT_KEY_TITLE, "A   b" },
        { LIBVIRT_KEY_DESCRIPTION, "one two" },
        { LIBVIRT_KEY_GUEST_OS, "http://debian.org/debian/12" },
        { LIBVIRT_KEY_VCPUS, "2" },
        { LIBVIRT_KEY_MEMORY, "2048" },
        { LIBVIRT_KEY_NOVA_NAME, "web" },
        { LIBVIRT_KEY_FLAVOR, "m1.big" },
        { LIBVIRT_KEY_OWNER, "alice" },
        { LIBVIRT_KEY_PROJECT, "shop" },
        { LIBVIRT_KEY_PROJECT_ID, "p" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
        assert_non_null(d->values[want[i].key]);
        assert_string_equal(d->values[want[i].key], want[i].value);
    }
    assert_null(d->values[LIBVIRT_KEY_POWER]);
    libvirt_domain_destroy(d);
    (void) state;
}

static void
what_is_not_there_or_no_value_is_not_known(void **state)
{
    static const char *const texts[] = {
        "<domain/>",
        "<domain><name/><title> \n</title><vcpu>many</vcpu><memory unit='GiB'>"
        "1</memory><metadata><instance><name>x</name></instance></metadata>"
        "<devices><interface/><interface><mac/></interface><interface><mac "
        "address='52-54-00-00-00-01'/></interface><interface><mac "
        "address='01:00:5e:00:00:01'/></interface></devices></domain>",
        "<domain><metadata><n:instance xmlns:n='http://example.com/'>"
        "<n:name>x</n:name></n:instance></metadata></domain>",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct libvirt_domain *d = parse(texts[i]);

        assert_string_equal(d->name, "");
        assert_int_equal(d->n_macs, 0);
        for (size_t j = 0; j < N_LIBVIRT_KEYS; j++) {
            assert_null(d->values[j]);
        }
        libvirt_domain_destroy(d);
    }
    (void) state;
}

static void
what_is_no_domain_is_refused(void **state)
{
    char *large = xasprintf("<domain><title>%0*d</title></domain>",
                            LIBVIRT_MAX_XML, 1);
    char *tag = xasprintf("<domain><a b='%0*d'/></domain>", 100000, 1);
    const struct { const char *text, *problem; } cases[] = {
        { "", "not well-formed" },
        { "<domain>", "not well-formed" },
        { "<network/>", "it is not the XML of a domain" },
        { "<!DOCTYPE a [<!ENTITY b \"c\">]><domain><name>&b;</name></domain>",
          "document type" },
        { "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><domain/>",
          "document type" },
        { "<domain><name>&b;</name></domain>", "not well-formed" },
        { "<domain><name>\x01</name></domain>", "not well-formed" },
        { "<domain><name>\xff</name></domain>", "not well-formed" },
        { large, "larger than 1048576 bytes" },
        { tag, "a tag of it is longer" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct libvirt_domain *d = NULL;
        char *problem = libvirt_domain_parse(slice_from_string(cases[i].text),
                                             &d);

        assert_null(d);
        if (!problem || !strstr(problem, cases[i].problem)) {
            fail_msg("case %"PRIuSIZE": %s", i, problem);
        }
        free(problem);
    }
    free(large);
    free(tag);
    (void) state;
}

static void
values_are_short_and_printable(void **state)
{
    char *xml = xasprintf("<domain><name>%0*d</name><title>a&#x9b;&#x202e;b"
                          "</title><description>%0*d</description></domain>",
                          5000, 1, 5000, 1);
    struct libvirt_domain *d = parse(xml);

    assert_int_equal(strlen(d->name), LIBVIRT_MAX_NAME);
    assert_string_equal(d->values[LIBVIRT_KEY_TITLE], "a?????b");
    assert_int_equal(strlen(d->values[LIBVIRT_KEY_DESCRIPTION]), 512);
    libvirt_domain_destroy(d);
    free(xml);
    (void) state;
}

/* The model. */

struct fixture {
    struct libvirt_model *model;
    uint64_t now_ns;
    Sluice__VmContext *vms[8];  /* Of the latest merge. */
    size_t n_vms;
    struct merge_counts counts;
    char *program;              /* A script, or null. */
};

static int
set_up(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);

    f->model = libvirt_model_create(100000);
    f->now_ns = 1000;
    *state = f;
    return 0;
}

static void
forget_vms(struct fixture *f)
{
    while (f->n_vms) {
        sluice__vm_context__free_unpacked(f->vms[--f->n_vms], NULL);
    }
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    forget_vms(f);
    libvirt_model_destroy(f->model);
    if (f->program) {
        unlink(f->program);
        free(f->program);
    }
    free(f);
    return 0;
}

static char *
apply(struct fixture *f, const Sluice__LibvirtReport *r)
{
    return libvirt_model_apply(f->model, r, ++f->now_ns);
}

static void
apply_kind(struct fixture *f, Sluice__LibvirtKind kind)
{
    Sluice__LibvirtReport r = SLUICE__LIBVIRT_REPORT__INIT;

    r.kind = kind;
    assert_null(apply(f, &r));
}

/* A domain whose UUID ends in 'id', whose MAC does in 'mac' unless that is 0,
 * and whose title is 'title'. */
static char *
apply_domain(struct fixture *f, uint8_t id, const char *name, uint8_t mac,
             const char *title, const char *problem)
{
    Sluice__LibvirtReport r = SLUICE__LIBVIRT_REPORT__INIT;
    Sluice__LibvirtDomain d = SLUICE__LIBVIRT_DOMAIN__INIT;
    Sluice__LibvirtFact facts[2], *pointers[] = { &facts[0], &facts[1] };
    uint8_t uuid[16] = { [15] = id }, address[6] = { 2, [5] = mac };
    ProtobufCBinaryData macs[] = { { .data = address, .len = 6 } };

    sluice__libvirt_fact__init(&facts[0]);
    sluice__libvirt_fact__init(&facts[1]);
    facts[0].key = CONST_CAST(char *, "power");
    facts[0].value = CONST_CAST(char *, "on");
    facts[1].key = CONST_CAST(char *, "title");
    facts[1].value = CONST_CAST(char *, title);
    r.kind = KIND(DOMAIN);
    r.domain = &d;
    d.uuid = (ProtobufCBinaryData) { .data = uuid, .len = sizeof uuid };
    d.name = CONST_CAST(char *, name);
    d.mac = macs;
    d.n_mac = mac != 0;
    d.fact = pointers;
    d.n_fact = title ? 2 : 0;
    d.problem = CONST_CAST(char *, problem);
    return apply(f, &r);
}

static void
apply_load(struct fixture *f, uint8_t id, uint32_t cpu)
{
    Sluice__LibvirtReport r = SLUICE__LIBVIRT_REPORT__INIT;
    Sluice__LibvirtLoad load = SLUICE__LIBVIRT_LOAD__INIT, *loads = &load;
    Sluice__LibvirtHost host = SLUICE__LIBVIRT_HOST__INIT;
    uint8_t uuid[16] = { [15] = id };

    r.kind = KIND(LOADS);
    r.load = &loads;
    r.n_load = 1;
    r.host = &host;
    host.name = CONST_CAST(char *, "hv-1");
    host.cpu = 1001;
    load.uuid = (ProtobufCBinaryData) { .data = uuid, .len = sizeof uuid };
    load.cpu = cpu;
    assert_null(apply(f, &r));
}

static char *
apply_gone(struct fixture *f, uint8_t id)
{
    Sluice__LibvirtReport r = SLUICE__LIBVIRT_REPORT__INIT;
    uint8_t uuid[16] = { [15] = id };

    r.kind = KIND(GONE);
    r.gone = (ProtobufCBinaryData) { .data = uuid, .len = sizeof uuid };
    return apply(f, &r);
}

static struct fixture *collecting;

static void
collect(struct slice record)
{
    assert_true(collecting->n_vms < ARRAY_SIZE(collecting->vms));
    collecting->vms[collecting->n_vms++]
        = sluice__vm_context__unpack(NULL, record.size, record.data);
}

/* Merges what is known.  Returns the VM called 'name', or null. */
static const Sluice__VmContext *
vm_called(struct fixture *f, const char *name)
{
    struct snapshot_builder *builder = snapshot_builder_create();
    struct merge *merge = merge_create();

    forget_vms(f);
    merge_begin(merge, "libvirt:a", RANK_MANAGER, false);
    libvirt_model_put(f->model, merge);
    assert_null(merge_finish(merge, builder, &f->counts));
    collecting = f;
    snapshot_builder_each(builder, collect);
    merge_destroy(merge);
    snapshot_builder_destroy(builder);
    for (size_t i = 0; i < f->n_vms; i++) {
        if (!strcmp(f->vms[i]->name, name)) {
            return f->vms[i];
        }
    }
    return NULL;
}

static const char *
value_of(const Sluice__VmContext *vm, const char *key)
{
    for (size_t i = 0; i < vm->n_value; i++) {
        if (!strcmp(vm->value[i]->key, key)) {
            return vm->value[i]->value;
        }
    }
    return "";
}

static void
only_a_whole_inventory_counts(void **state)
{
    struct fixture *f = *state;

    assert_false(libvirt_model_is_whole(f->model));
    apply_kind(f, KIND(BEGIN));
    assert_null(apply_domain(f, 1, "a", 1, "A", ""));
    assert_null(vm_called(f, "a"));
    apply_kind(f, KIND(END));
    assert_true(libvirt_model_is_whole(f->model));
    apply_load(f, 1, 501);
    const Sluice__VmContext *vm = vm_called(f, "a");
    assert_non_null(vm);
    assert_int_equal(vm->tenant, 0);
    assert_int_equal(vm->n_mac, 1);
    assert_string_equal(value_of(vm, "title"), "A");
    assert_string_equal(value_of(vm, "cpu-percent"), "50.0");
    assert_string_equal(value_of(vm, "host-cpu-percent"), "100.0");
    assert_string_equal(value_of(vm, "memory-percent"), "");
    assert_string_equal(value_of(vm, "host"), "hv-1");

    /* One that is given up changes nothing. */
    apply_kind(f, KIND(BEGIN));
    assert_null(apply_domain(f, 2, "b", 2, "B", ""));
    assert_false(libvirt_model_is_whole(f->model));
    libvirt_model_abandon(f->model);
    assert_true(libvirt_model_is_whole(f->model));
    assert_non_null(vm_called(f, "a"));
    assert_int_equal(f->n_vms, 1);

    /* The next one keeps what was measured. */
    apply_kind(f, KIND(BEGIN));
    assert_null(apply_domain(f, 1, "c", 1, "C", ""));
    apply_kind(f, KIND(END));
    vm = vm_called(f, "c");
    assert_int_equal(f->n_vms, 1);
    assert_string_equal(value_of(vm, "cpu-percent"), "50.0");
}

static void
domains_change_and_go(void **state)
{
    struct fixture *f = *state;

    apply_kind(f, KIND(BEGIN));
    apply_kind(f, KIND(END));
    assert_null(apply_domain(f, 1, "a", 1, "A", ""));
    assert_null(apply_domain(f, 1, "b", 2, "B", ""));
    const Sluice__VmContext *vm = vm_called(f, "b");
    assert_int_equal(f->n_vms, 1);
    assert_int_equal(vm->mac[0].data[5], 2);

    /* One that can't be read stays as it was. */
    assert_null(apply_domain(f, 1, "b", 0, NULL, "broken"));
    vm = vm_called(f, "b");
    assert_string_equal(value_of(vm, "title"), "B");
    const char *why;
    assert_int_equal(libvirt_model_n_unread(f->model, &why), 1);
    assert_string_equal(why, "broken");
    assert_null(apply_domain(f, 1, "b", 2, "B", ""));
    assert_int_equal(libvirt_model_n_unread(f->model, &why), 0);

    assert_null(apply_gone(f, 2));
    assert_null(apply_gone(f, 1));
    assert_null(vm_called(f, "b"));
    assert_int_equal(f->n_vms, 0);
}

static void
two_domains_of_one_uuid_have_their_macs(void **state)
{
    struct fixture *f = *state;

    apply_kind(f, KIND(BEGIN));
    assert_null(apply_domain(f, 1, "a", 1, "A", ""));
    assert_null(apply_domain(f, 1, "b", 2, "B", ""));
    apply_kind(f, KIND(END));
    assert_string_equal(value_of(vm_called(f, "a"), "title"), "A");
    assert_int_equal(f->n_vms, 2);
    assert_int_equal(f->counts.ambiguous_uuids, 1);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(f->vms[i]->vm.len, 0);
    }
    assert_null(apply_domain(f, 1, "b", 2, "C", ""));
    assert_string_equal(value_of(vm_called(f, "b"), "title"), "C");
    assert_string_equal(value_of(vm_called(f, "a"), "title"), "A");
    assert_null(apply_gone(f, 1));
    assert_null(vm_called(f, "a"));
}

static void
assert_refused(struct fixture *f, const Sluice__LibvirtReport *r,
               const char *why)
{
    char *problem = apply(f, r);

    assert_non_null(problem);
    if (!strstr(problem, why)) {
        fail_msg("%s", problem);
    }
    free(problem);
}

static void
reports_that_are_none_are_refused(void **state)
{
    struct fixture *f = *state;
    Sluice__LibvirtReport r = SLUICE__LIBVIRT_REPORT__INIT;
    Sluice__LibvirtDomain d = SLUICE__LIBVIRT_DOMAIN__INIT;
    Sluice__LibvirtLoad load = SLUICE__LIBVIRT_LOAD__INIT, *loads = &load;
    uint8_t uuid[16] = { 1 };

    r.kind = KIND(DOMAIN);
    assert_refused(f, &r, "a domain that is none");
    r.domain = &d;
    assert_refused(f, &r, "a domain that is none");
    r.kind = KIND(GONE);
    assert_refused(f, &r, "nothing is gone");
    r.kind = KIND(END);
    assert_refused(f, &r, "what did not begin");
    r.kind = 99;
    assert_refused(f, &r, "not known here");
    r.kind = KIND(PROBLEM);
    assert_refused(f, &r, "it failed");
    r.problem = CONST_CAST(char *, "it \x1b burns");
    assert_refused(f, &r, "it ? burns");
    r.kind = KIND(LOADS);
    r.load = &loads;
    r.n_load = 1;
    assert_refused(f, &r, "a load that is none");
    load.uuid = (ProtobufCBinaryData) { .data = uuid, .len = 16 };
    load.cpu = 1002;
    assert_refused(f, &r, "a load that is none");
    load.cpu = 1001;
    assert_null(apply(f, &r));
}

static void
there_is_an_end_to_domains_and_bytes(void **state)
{
    struct fixture *f = *state;
    char *problem = NULL;
    size_t n = 0;

    apply_kind(f, KIND(BEGIN));
    char *title = xasprintf("%0*d", 250, 1);
    while (!problem && n < 10000) {
        problem = apply_domain(f, n++, "a", 0, title, "");
    }
    free(title);
    assert_non_null(problem);
    assert_non_null(strstr(problem, "more than 100000 bytes"));
    assert_true(n > 50 && n < 400);
    free(problem);

    libvirt_model_destroy(f->model);
    f->model = libvirt_model_create(LIBVIRT_MAX_BYTES);
    apply_kind(f, KIND(BEGIN));
    for (n = 0, problem = NULL; !problem; n++) {
        problem = apply_domain(f, n, "a", 0, NULL, "");
    }
    assert_non_null(strstr(problem, "more than 16384 domains"));
    assert_int_equal(n, LIBVIRT_MAX_DOMAINS + 1);
    free(problem);
}

/* The process. */

/* Has a script with that body stand for sluice-libvirt. */
static struct libvirt_link *
link_to(struct fixture *f, const char *body, unsigned int stall_ms)
{
    char path[] = "/tmp/sluice-libvirt.XXXXXX";
    int fd = mkstemp(path);
    char *text = xasprintf("#!/bin/sh\n%s\n", body);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    fchmod(fd, 0700);
    close(fd);
    free(text);
    if (f->program) {
        unlink(f->program);
        free(f->program);
    }
    f->program = xstrdup(path);
    return libvirt_link_create(&(struct libvirt_options) {
        .name = "libvirt:a", .program = path, .uri = "test:///default",
        .poll_ms = 1000, .stall_ms = stall_ms,
    });
}

/* Runs the link until it has a problem, and asserts that it is that. */
static void
assert_problem(struct libvirt_link *l, const char *problem)
{
    long long int deadline = time_msec() + 60000;

    while (!libvirt_link_problem(l) && time_msec() < deadline) {
        libvirt_link_run(l);
        libvirt_link_wait(l);
        poll_timer_wait_until(deadline);
        poll_block();
    }
    assert_non_null(libvirt_link_problem(l));
    if (!strstr(libvirt_link_problem(l), problem)) {
        fail_msg("%s", libvirt_link_problem(l));
    }
}

static void
a_program_that_fails_is_named(void **state)
{
    static const struct { const char *body, *problem; } cases[] = {
        { "exit 3", "sluice-libvirt ended with status 3" },
        { "kill -9 $$", "sluice-libvirt was killed by signal 9" },
        { "printf '\\377\\377\\377\\377'; exec sleep 100",
          "reports more than 65536 bytes" },
        { "printf '\\0\\0\\0\\2\\377\\377'; exec sleep 100",
          "what can't be understood" },
        { "printf '\\0\\0\\0\\4\\10\\6\\62\\0'; exec sleep 100", "it failed" },
        { "printf '\\0\\0\\0\\5\\10\\6\\62\\1x'; exec sleep 100",
          "libvirt:a: x;" },
        { "printf '\\0\\0\\0\\2\\10\\4'; exec sleep 100", "did not begin" },
        { "exec 1>&-; exec sleep 100", "says nothing any more" },
        { "printf '\\0\\0\\0\\2\\10'; exit 0", "ended with status 0" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct libvirt_link *l = link_to(f, cases[i].body, 30000);

        assert_problem(l, cases[i].problem);
        assert_int_equal(libvirt_link_heard_at(l), 0);
        libvirt_link_destroy(l);
    }
}

static void
a_program_that_is_silent_is_killed(void **state)
{
    struct fixture *f = *state;
    /* It says once that libvirt answers. */
    struct libvirt_link *l = link_to(
        f, "printf '\\0\\0\\0\\0'; exec sleep 100", 1000);

    assert_problem(l, "it did not answer for 1 s");
    libvirt_link_destroy(l);
}

/* As ssh is by libvirt. */
static void
what_a_program_started_does_not_outlive_it(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 2; i++) {
        char dir[] = "/tmp/sluice-libvirt-fifo.XXXXXX";
        assert_non_null(mkdtemp(dir));
        char *fifo = xasprintf("%s/fifo", dir);
        char *body = xasprintf("exec 3>%s; sleep 100 >&3 & %s", fifo,
                               i ? "kill -9 $$" : "exec sleep 100");

        assert_int_equal(mkfifo(fifo, 0600), 0);
        int fd = open(fifo, O_RDONLY | O_NONBLOCK);
        assert_true(fd >= 0);
        struct libvirt_link *l = link_to(f, body, i ? 60000 : 1000);
        assert_problem(l, i ? "was killed by signal 9"
                       : "did not answer for 1 s");

        /* Whoever has it open is gone. */
        long long int deadline = time_msec() + 60000;
        char byte;
        while (read(fd, &byte, 1) != 0) {
            assert_true(time_msec() < deadline);
            poll_timer_wait(20);
            poll_block();
        }
        libvirt_link_destroy(l);
        close(fd);
        unlink(fifo);
        rmdir(dir);
        free(body);
        free(fifo);
    }
}

static void
a_program_that_is_not_there_is_named(void **state)
{
    struct libvirt_link *l = libvirt_link_create(&(struct libvirt_options) {
        .name = "libvirt:a", .program = "/nonexistent/program",
        .uri = "test:///default", .poll_ms = 1000, .stall_ms = 30000,
    });

    assert_problem(l, "sluice-libvirt can't be run");
    libvirt_link_destroy(l);
    (void) state;
}

static void
what_is_reported_is_taken_and_stays(void **state)
{
    struct fixture *f = *state;
    /* BEGIN; a DOMAIN of a UUID and a name; END; and then it breaks. */
    struct libvirt_link *l = link_to(
        f, "printf '\\0\\0\\0\\2\\10\\1"
        "\\0\\0\\0\\31\\10\\2\\22\\25\\12\\20abcdefghijklmnop\\22\\1v"
        "\\0\\0\\0\\2\\10\\4'; exit 1", 30000);

    assert_problem(l, "ended with status 1");
    assert_true(libvirt_link_heard_at(l) > 0);
    assert_int_equal(libvirt_model_n_domains(libvirt_link_model(l)), 1);
    struct ds status = DS_EMPTY_INITIALIZER;
    libvirt_link_put_status(l, &status);
    assert_non_null(strstr(ds_cstr(&status), "1 domains, 1 connections, "
                           "1 failures, 0 domains that can't be read\n"));
    ds_destroy(&status);

    /* Another one is started, after a while or at once. */
    libvirt_link_hurry(l);
    libvirt_link_run(l);
    ds_init(&status);
    libvirt_link_put_status(l, &status);
    assert_non_null(strstr(ds_cstr(&status), "2 connections"));
    ds_destroy(&status);
    libvirt_link_destroy(l);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_matters_is_read),
        cmocka_unit_test(what_is_not_there_or_no_value_is_not_known),
        cmocka_unit_test(what_is_no_domain_is_refused),
        cmocka_unit_test(values_are_short_and_printable),
        TEST(only_a_whole_inventory_counts),
        TEST(domains_change_and_go),
        TEST(two_domains_of_one_uuid_have_their_macs),
        TEST(reports_that_are_none_are_refused),
        TEST(there_is_an_end_to_domains_and_bytes),
        TEST(a_program_that_fails_is_named),
        TEST(a_program_that_is_silent_is_killed),
        TEST(what_a_program_started_does_not_outlive_it),
        TEST(a_program_that_is_not_there_is_named),
        TEST(what_is_reported_is_taken_and_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
