/* SPDX-License-Identifier: Apache-2.0
 *
 * What vCenter says, from replies as the documentation of its API has them:
 * the simulator does not say all of this. */
#include <config.h>

#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "context.pb-c.h"
#include "soap-reply.h"
#include "util.h"
#include "vsphere-averages.h"
#include "vsphere-credentials.h"
#include "vsphere-model.h"

#define ENVELOPE(BODY) \
    "<?xml version=\"1.0\"?><e:Envelope " \
    "xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" " \
    "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><e:Body>" \
    BODY "</e:Body></e:Envelope>"
#define UPDATE(KIND, TYPE, REF, CHANGES) \
    "<objectSet><kind>" KIND "</kind><obj type=\"" TYPE "\">" REF "</obj>" \
    CHANGES "</objectSet>"
#define DATASTORE(TEXT) \
    "<objectSet><obj type=\"Datastore\">d</obj><z>" TEXT "</z></objectSet>"
#define ASSIGN(NAME, VALUE) \
    "<changeSet><name>" NAME "</name><op>assign</op><val>" VALUE "</val>" \
    "</changeSet>"
#define VM(REF, CHANGES) \
    UPDATE("enter", "VirtualMachine", REF, \
           ASSIGN("config.instanceUuid", \
                  "50000000-0000-4000-8000-000000000001") CHANGES)

enum { MAX_BYTES = 100000 };    /* Of all values. */

struct fixture {
    struct vsphere_model *model;
    char *problem;              /* Of the latest reply. */
    Sluice__VmContext *vm;      /* The latest that was merged. */
};

static int
set_up(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);

    f->model = vsphere_model_create(MAX_BYTES);
    *state = f;
    return 0;
}

static void
forget_vm(struct fixture *f)
{
    if (f->vm) {
        sluice__vm_context__free_unpacked(f->vm, NULL);
        f->vm = NULL;
    }
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    forget_vm(f);
    vsphere_model_destroy(f->model);
    free(f->problem);
    free(f);
    return 0;
}

static char *
take(const xmlNode *element, void *f_)
{
    struct fixture *f = f_;
    struct vsphere_update *u = NULL;
    char *problem = vsphere_update_parse(element, &u);

    if (u) {
        problem = vsphere_model_apply(f->model, u, 1000);
        vsphere_update_destroy(u);
    }
    return problem;
}

/* Reads a reply byte by byte.  Returns true if it is whole. */
static bool
read_reply(struct fixture *f, const char *text)
{
    struct soap_reply *r = soap_reply_create(1 << 20, "objectSet", take, f);

    for (const char *p = text; *p; p++) {
        soap_reply_feed(r, slice_of(p, 1));
    }
    bool ok = soap_reply_finish(r);
    free(f->problem);
    f->problem = nullable_xstrdup(soap_reply_problem(r));
    soap_reply_destroy(r);
    return ok;
}

static struct fixture *merging;

static void
take_record(struct slice record)
{
    forget_vm(merging);
    merging->vm = sluice__vm_context__unpack(NULL, record.size, record.data);
}

/* Returns the record of the only VM, or null if there is none. */
static const Sluice__VmContext *
only_vm(struct fixture *f)
{
    struct snapshot_builder *builder = snapshot_builder_create();
    struct merge *merge = merge_create();
    struct merge_counts counts;

    forget_vm(f);
    merge_begin(merge, "vsphere:t", RANK_MANAGER, false);
    vsphere_model_put(f->model, NULL, merge);
    assert_null(merge_finish(merge, builder, &counts));
    merging = f;
    snapshot_builder_each(builder, take_record);
    merge_destroy(merge);
    snapshot_builder_destroy(builder);
    return f->vm;
}

static const char *
value(struct fixture *f, const char *key)
{
    const Sluice__VmContext *vm = only_vm(f);

    assert_non_null(vm);
    for (size_t i = 0; i < vm->n_value; i++) {
        if (!strcmp(vm->value[i]->key, key)) {
            return vm->value[i]->value;
        }
    }
    return NULL;
}

static void
updates_come_and_go(void **state)
{
    struct fixture *f = *state;

    assert_true(read_reply(f, ENVELOPE("<x>"
        VM("vm-1", ASSIGN("name", "a%2fb%25%5C")
           ASSIGN("runtime.host", "host-1"))
        UPDATE("enter", "HostSystem", "host-1", ASSIGN("name", "hv-1"))
        UPDATE("enter", "HostSystem", "host-2", ASSIGN("name", "hv-2"))
        UPDATE("enter", "Datastore", "ds-1", ASSIGN("name", "ignored"))
        "</x>")));
    assert_string_equal(only_vm(f)->name, "a/b%\\");
    assert_string_equal(value(f, "host"), "hv-1");

    assert_true(read_reply(f, ENVELOPE("<x>"
        UPDATE("modify", "VirtualMachine", "vm-1",
               ASSIGN("runtime.host", "host-2"))
        UPDATE("modify", "VirtualMachine", "vm-9", ASSIGN("name", "ghost"))
        "</x>")));
    assert_string_equal(value(f, "host"), "hv-2");
    assert_int_equal(vsphere_model_n_vms(f->model), 1);

    /* A property without value has none any more. */
    assert_true(read_reply(f, ENVELOPE("<x>"
        UPDATE("modify", "VirtualMachine", "vm-1",
               "<changeSet><name>runtime.host</name><op>assign</op>"
               "</changeSet>") "</x>")));
    assert_null(value(f, "host"));
    assert_true(read_reply(f, ENVELOPE("<x>"
        UPDATE("leave", "VirtualMachine", "vm-1", "") "</x>")));
    assert_null(only_vm(f));
}

static void
mac_addresses_are_asked_for_when_a_vm_was_reconfigured(void **state)
{
    struct fixture *f = *state;
    struct ds s = DS_EMPTY_INITIALIZER;

    assert_true(read_reply(f, ENVELOPE("<x>"
        VM("vm-1", ASSIGN("config.changeVersion", "1")) "</x>")));
    assert_int_equal(vsphere_model_take_unasked(f->model, 9, &s), 1);
    assert_string_equal(ds_cstr(&s), "<objectSet><obj type="
                        "\"VirtualMachine\">vm-1</obj></objectSet>");
    assert_int_equal(vsphere_model_take_unasked(f->model, 9, &s), 0);

    assert_true(read_reply(f, ENVELOPE("<x><objectSet>"
        "<obj type=\"VirtualMachine\">vm-1</obj>"
        "<propSet><name>config.hardware.device</name><val>"
        "<VirtualDevice><key>100</key></VirtualDevice>"
        "<VirtualDevice><macAddress>00:50:56:AA:00:01</macAddress>"
        "</VirtualDevice>"
        "<VirtualDevice><macAddress>ff:ff:ff:ff:ff:ff</macAddress>"
        "</VirtualDevice>"
        "<VirtualDevice><macAddress>00:50:56:aa:00:0</macAddress>"
        "</VirtualDevice>"
        "<VirtualDevice><macAddress>00:50:56:aa:00:02</macAddress>"
        "</VirtualDevice></val></propSet>"
        "<missingSet><path>name</path></missingSet></objectSet></x>")));
    const Sluice__VmContext *vm = only_vm(f);
    assert_int_equal(vm->n_mac, 2);
    assert_memory_equal(vm->mac[0].data, "\0\x50\x56\xaa\0\1", 6);
    assert_memory_equal(vm->mac[1].data, "\0\x50\x56\xaa\0\2", 6);
    assert_int_equal(vsphere_model_n_missing(f->model), 1);

    /* An object counts once, however often it is asked about. */
    assert_true(read_reply(f, ENVELOPE("<x><objectSet>"
        "<obj type=\"VirtualMachine\">vm-1</obj>"
        "<missingSet><path>name</path></missingSet></objectSet></x>")));
    assert_int_equal(vsphere_model_n_missing(f->model), 1);

    assert_true(read_reply(f, ENVELOPE("<x>"
        UPDATE("modify", "VirtualMachine", "vm-1",
               ASSIGN("config.changeVersion", "2")) "</x>")));
    assert_int_equal(vsphere_model_take_unasked(f->model, 9, &s), 1);
    ds_destroy(&s);
}

static void
a_change_within_a_property_has_the_vm_read_again(void **state)
{
    struct fixture *f = *state;
    struct ds s = DS_EMPTY_INITIALIZER;

    assert_true(read_reply(f, ENVELOPE("<x>" VM("vm-1", "") "</x>")));
    assert_int_equal(vsphere_model_take_partial(f->model, 9, &s), 0);
    assert_true(read_reply(f, ENVELOPE("<x>"
        UPDATE("modify", "VirtualMachine", "vm-1",
               ASSIGN("customValue[101]", "x")) "</x>")));
    assert_int_equal(vsphere_model_take_partial(f->model, 9, &s), 1);
    assert_int_equal(vsphere_model_take_partial(f->model, 9, &s), 0);
    ds_destroy(&s);
}

/* What was asked and not answered is asked again, whatever is known. */
static void
a_question_without_answer_is_asked_again(void **state)
{
    struct fixture *f = *state;
    struct ds s = DS_EMPTY_INITIALIZER;
    const char *change = ENVELOPE("<x>"
        UPDATE("modify", "VirtualMachine", "vm-1",
               ASSIGN("config.changeVersion", "2")
               ASSIGN("customValue[101]", "x")) "</x>");

    assert_true(read_reply(f, ENVELOPE("<x>"
        VM("vm-1", ASSIGN("config.changeVersion", "1")
           ASSIGN("config.hardware.device", "")) "</x>")));
    assert_int_equal(vsphere_model_take_unasked(f->model, 9, &s), 1);
    vsphere_model_note_answer(f->model);
    vsphere_model_ask_again(f->model);
    assert_int_equal(vsphere_model_take_unasked(f->model, 9, &s), 0);

    assert_true(read_reply(f, change));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(vsphere_model_take_partial(f->model, 9, &s), 1);
        assert_int_equal(vsphere_model_take_unasked(f->model, 9, &s), 1);
        vsphere_model_ask_again(f->model);
    }
    /* One more change while the question is under way is one more question. */
    assert_int_equal(vsphere_model_take_unasked(f->model, 9, &s), 1);
    assert_true(read_reply(f, ENVELOPE("<x>"
        UPDATE("modify", "VirtualMachine", "vm-1",
               ASSIGN("config.changeVersion", "3")) "</x>")));
    vsphere_model_note_answer(f->model);
    assert_int_equal(vsphere_model_take_unasked(f->model, 9, &s), 1);
    ds_destroy(&s);
}

static void
custom_attributes_have_their_names(void **state)
{
    struct fixture *f = *state;

    assert_true(read_reply(f, ENVELOPE("<x>"
        VM("vm-1", ASSIGN("customValue",
           "<CustomFieldValue xsi:type=\"CustomFieldStringValue\"><key>7</key>"
           "<value>shop&#9;team</value></CustomFieldValue>"
           "<CustomFieldValue><key>8</key><value>lost</value>"
           "</CustomFieldValue>"
           "<CustomFieldValue><key>9</key><value/></CustomFieldValue>"))
        UPDATE("enter", "CustomFieldsManager", "cfm", ASSIGN("field",
           "<CustomFieldDef><key>7</key><name>cost center]=\"of the whole "
           "company, and more</name></CustomFieldDef>"
           "<CustomFieldDef><key>9</key><name>empty</name></CustomFieldDef>"))
        "</x>")));
    assert_string_equal(value(f, "attr-cost_center___of_the_whole_"),
                        "shop?team");
    assert_null(value(f, "attr-empty"));
}

static void
folders_in_a_circle_end(void **state)
{
    struct fixture *f = *state;

    assert_true(read_reply(f, ENVELOPE("<x>"
        VM("vm-1", ASSIGN("parent", "group-1"))
        UPDATE("enter", "Folder", "group-1", ASSIGN("name", "a")
               ASSIGN("parent", "group-2"))
        UPDATE("enter", "Folder", "group-2", ASSIGN("name", "b")
               ASSIGN("parent", "group-1")) "</x>")));
    assert_int_equal(strlen(value(f, "folder")), 2 * VSPHERE_MAX_FOLDERS);

    assert_true(read_reply(f, ENVELOPE("<x>"
        UPDATE("modify", "Folder", "group-2", ASSIGN("parent", "dc-1"))
        UPDATE("enter", "Datacenter", "dc-1", ASSIGN("name", "DC")
               ASSIGN("parent", "vm-1")) "</x>")));
    assert_string_equal(value(f, "folder"), "/DC/b/a");
}

static void
uuids_that_say_nothing_are_no_keys(void **state)
{
    struct fixture *f = *state;

    assert_true(read_reply(f, ENVELOPE("<x>"
        UPDATE("enter", "VirtualMachine", "vm-1",
               ASSIGN("config.uuid", "00000000-0000-0000-0000-000000000000")
               ASSIGN("config.instanceUuid",
                      "ffffffff-ffff-ffff-ffff-ffffffffffff"))
        UPDATE("enter", "VirtualMachine", "vm-2",
               ASSIGN("config.uuid", "not a uuid")) "</x>")));
    assert_null(only_vm(f));
    assert_int_equal(vsphere_model_n_vms(f->model), 2);
}

static void
what_is_no_reply_is_refused(void **state)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        { "", "not well-formed" },
        { "<a/>", "no SOAP envelope" },
        { ENVELOPE(""), "no SOAP envelope" },
        { "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
          "document type" },
        { ENVELOPE("<x>&b;</x>"), "not well-formed" },
        { ENVELOPE("<x>\x1b</x>"), "not well-formed" },
        { ENVELOPE("<x>\xff</x>"), "not well-formed" },
        { ENVELOPE("<x><objectSet/></x>"), "an update of no object" },
        { ENVELOPE("<x><objectSet><obj type=\"VirtualMachine\">a&lt;b</obj>"
                   "</objectSet></x>"), "an update of no object" },
        { ENVELOPE("<x>" UPDATE("vanish", "VirtualMachine", "vm-1", "")
                   "</x>"), "has no kind" },
        { "<e:Envelope xmlns:e=\"x\"><e:Body><x>", "not well-formed" },
        /* Text before, within and behind what is handed over: libxml2 must not
         * go on writing where the second one ended. */
        { "<x>0123456789abcdef" DATASTORE("yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy")
          "0123456789abcdef</x>", "no SOAP envelope" },
        { "<x><![CDATA[0123456789abcdef]]>"
          DATASTORE("<![CDATA[yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy]]>")
          "<![CDATA[0123456789abcdef]]></x>", "no SOAP envelope" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_false(read_reply(f, cases[i].text));
        if (!strstr(f->problem, cases[i].problem)) {
            fail_msg("case %"PRIuSIZE": %s", i, f->problem);
        }
    }
}

/* Feeds 'begin', then 'item' until it is refused, which has to happen before
 * 'max' of them. */
static void
assert_limit(struct fixture *f, const char *begin, const char *item,
             size_t max, const char *problem)
{
    struct soap_reply *r = soap_reply_create(1 << 20, "objectSet", take, f);
    size_t n = 0;

    assert_true(soap_reply_feed(r, slice_from_string(begin)));
    while (n < max && soap_reply_feed(r, slice_from_string(item))) {
        n++;
    }
    assert_true(n < max);
    assert_non_null(strstr(soap_reply_problem(r), problem));
    assert_false(soap_reply_finish(r));
    soap_reply_destroy(r);
}

static void
there_is_an_end_to_all_that_repeats(void **state)
{
    struct fixture *f = *state;

    assert_limit(f, "<a>", "<a>", SOAP_MAX_DEPTH + 1, "deep");
    assert_limit(f, "<a>", "<a/>", SOAP_MAX_NODES, "nodes at a time");
    assert_limit(f, "<a>", "0123456789", 200000, "larger than");
    assert_limit(f, "<a>", "<objectSet><obj type=\"Datastore\">d</obj>"
                 "</objectSet>", 100000, "larger than 1048576 bytes");
    /* What stands between those that are handed over stays. */
    assert_limit(f, "<a>", "<a/><a/><a/><a/><a/><a/><a/><a/><a/><a/>"
                 "<a/><a/><a/><a/><a/><a/><a/><a/><a/><a/>" DATASTORE(""),
                 SOAP_MAX_NODES / 20, "nodes at a time");
    assert_limit(f, "<a", " b=\"c\"", SOAP_MAX_TAG, "a tag of it is longer");
    assert_limit(f, "<a>", "<b xmlns:c=\"d\" xmlns:e=\"f\" xmlns:g=\"h\" "
                 "xmlns:i=\"j\" xmlns:k=\"l\" xmlns:m=\"n\" xmlns:o=\"p\">",
                 SOAP_MAX_DEPTH, "namespaces at a time");
}

/* What is long is text: no limit of tags must be one of text. */
static void
long_text_is_taken_in_pieces_of_any_size(void **state)
{
    static const size_t sizes[] = { 1, 299, 4096, SOAP_MAX_TAG, 1 << 20 };
    struct fixture *f = *state;
    char *x = xasprintf("%0*d&amp;%0*d", SOAP_MAX_TAG * 2, 7,
                        SOAP_MAX_TAG * 2, 7);
    char *text = xasprintf(ENVELOPE("<x>%s" VM("vm-1", ASSIGN("name", "%s"))
                                    "%s</x>"), x, x, x);

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct soap_reply *r = soap_reply_create(1 << 20, "objectSet", take,
                                                 f);
        size_t size = strlen(text);

        for (size_t at = 0; at < size; at += sizes[i]) {
            soap_reply_feed(r, slice_of(text + at,
                                        MIN(sizes[i], size - at)));
        }
        if (!soap_reply_finish(r)) {
            fail_msg("pieces of %"PRIuSIZE": %s", sizes[i],
                     soap_reply_problem(r));
        }
        soap_reply_destroy(r);
        assert_int_equal(strlen(only_vm(f)->name), VSPHERE_MAX_NAME);
    }
    free(text);
    free(x);
}

static void
what_a_vcenter_says_is_limited_in_all(void **state)
{
    struct fixture *f = *state;
    char *name = xasprintf("%0*d", VSPHERE_MAX_NAME, 1);
    char *problem = NULL;
    size_t n = 0;

    /* The same anew, and less again, is not more. */
    for (size_t i = 0; i < 1000; i++) {
        char *reply = xasprintf(ENVELOPE("<x>" VM("vm-1",
            ASSIGN("name", "%s")) "%s</x>"), name, i % 2 ? "" :
            UPDATE("leave", "VirtualMachine", "vm-1", ""));
        assert_true(read_reply(f, reply));
        free(reply);
    }
    while (!problem && n < 10000) {
        char *reply = xasprintf(ENVELOPE("<x>" VM("vm-%"PRIuSIZE,
            ASSIGN("name", "%s")) "</x>"), n++, name);
        if (!read_reply(f, reply)) {
            problem = f->problem;
        }
        free(reply);
    }
    assert_non_null(problem);
    assert_non_null(strstr(problem, "more than 100000 bytes"));
    assert_true(n > 200 && n < 400);
    free(name);
}

static void
there_is_one_list_of_attributes(void **state)
{
    struct fixture *f = *state;
    const char *manager = ENVELOPE("<x>"
        UPDATE("enter", "CustomFieldsManager", "cfm", "") "</x>");

    assert_true(read_reply(f, manager));
    assert_true(read_reply(f, manager));
    assert_false(read_reply(f, ENVELOPE("<x>"
        UPDATE("enter", "CustomFieldsManager", "cfm-2", "") "</x>")));
    assert_non_null(strstr(f->problem, "more than one CustomFieldsManager"));
    assert_true(read_reply(f, ENVELOPE("<x>"
        UPDATE("leave", "CustomFieldsManager", "cfm", "")
        UPDATE("enter", "CustomFieldsManager", "cfm-2", "") "</x>")));
}

static void
a_fault_has_a_name(void **state)
{
    static const char *const replies[] = {
        ENVELOPE("<e:Fault><faultcode>c</faultcode>"
                 "<faultstring>s</faultstring><detail><InvalidLoginFault xsi:type=\"InvalidLogin\"/>"
                 "</detail></e:Fault>"),
        ENVELOPE("<e:Fault><faultstring>s</faultstring><detail><Fault "
                 "xsi:type=\"vim25:InvalidLogin\"/></detail></e:Fault>"),
    };

    for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
        struct soap_reply *r = soap_reply_create(1 << 20, NULL, NULL, NULL);
        char *text;

        assert_true(soap_reply_feed(r, slice_from_string(replies[i])));
        assert_true(soap_reply_finish(r));
        char *fault = soap_reply_fault(r, &text);
        assert_string_equal(fault, "InvalidLogin");
        assert_string_equal(text, "s");
        free(fault);
        free(text);
        soap_reply_destroy(r);
    }
    (void) state;
}

/* Writes 'text' to a file with 'mode', and returns what is wrong with it. */
static char *
read_bytes(const char *text, size_t size, mode_t mode, char **user,
           char **password)
{
    char path[] = "/tmp/sluice-credentials.XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), size);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    char *sentence = credentials_read(path, user, password);
    unlink(path);
    return sentence;
}

static char *
read_credentials(const char *text, mode_t mode, char **user, char **password)
{
    return read_bytes(text, strlen(text), mode, user, password);
}

static void
credentials_are_two_lines_for_nobody_else(void **state)
{
    char *user, *password;

    assert_null(read_credentials("me@vsphere.local\r\np w\n", 0600, &user,
                                 &password));
    assert_string_equal(user, "me@vsphere.local");
    assert_string_equal(password, "p w");
    credentials_free(user);
    credentials_free(password);

    static const struct {
        const char *text;
        mode_t mode;
        const char *problem;
    } cases[] = {
        { "me\nsecret\n", 0640, "chmod 600" },
        { "me\nsecret\n", 0604, "chmod 600" },
        { "me\n", 0600, "does not hold a user and a password" },
        { "\nsecret\n", 0600, "does not hold a user and a password" },
        { "", 0600, "does not hold a user and a password" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *sentence = read_credentials(cases[i].text, cases[i].mode, &user,
                                          &password);
        assert_non_null(strstr(sentence, cases[i].problem));
        assert_null(strstr(sentence, "secret"));
        free(sentence);
    }
    char *sentence = read_bytes("me\nsec\0ret\n", 11, 0600, &user, &password);
    assert_non_null(strstr(sentence, "does not hold a user and a password"));
    free(sentence);
    sentence = credentials_read("/nonexistent", &user, &password);
    assert_non_null(strstr(sentence, "can't be opened"));
    free(sentence);
    (void) state;
}

static char *
take_average(const xmlNode *element, void *f_)
{
    static const struct vsphere_counters counters = { .cpu = 2, .memory = 24 };
    struct fixture *f = f_;
    struct vsphere_update *u = NULL;
    char *problem = vsphere_averages_parse(element, &counters, &u);

    if (u) {
        problem = vsphere_model_apply(f->model, u, 1000);
        vsphere_update_destroy(u);
    }
    return problem;
}

/* Reads the answer to a query.  Returns true if it is whole. */
static bool
read_averages(struct fixture *f, const char *text)
{
    struct soap_reply *r = soap_reply_create(1 << 20, "returnval",
                                             take_average, f);

    soap_reply_feed(r, slice_from_string(text));
    bool ok = soap_reply_finish(r);
    soap_reply_destroy(r);
    return ok;
}

#define SERIES(COUNTER, SAMPLES)                                        \
    "<value><id><counterId>" COUNTER "</counterId><instance/></id>"     \
    SAMPLES "</value>"
#define AVERAGES(TYPE, REF, SERIES)                                     \
    ENVELOPE("<QueryPerfResponse><returnval><entity type=\"" TYPE "\">" \
             REF "</entity><sampleInfo/>" SERIES                        \
             "</returnval></QueryPerfResponse>")

static const char *
value_of(const Sluice__VmContext *vm, const char *key)
{
    for (size_t i = 0; i < vm->n_value; i++) {
        if (!strcmp(vm->value[i]->key, key)) {
            assert_true(vm->value[i]->measured);
            return vm->value[i]->value;
        }
    }
    return NULL;
}

static void
averages_are_of_the_samples_that_are_there(void **state)
{
    struct fixture *f = *state;
    struct ds specs = DS_EMPTY_INITIALIZER;

    assert_true(read_reply(f, ENVELOPE(
        "<r>" VM("vm-1", ASSIGN("runtime.powerState", "poweredOn"))
        VM("vm-2", ASSIGN("runtime.powerState", "poweredOff")) "</r>")));
    assert_int_equal(vsphere_model_take_unaveraged(f->model, 9, "<x/>",
                                                   &specs), 1);
    assert_string_equal(ds_cstr(&specs), "<querySpec><entity type=\""
                        "VirtualMachine\">vm-1</entity><x/></querySpec>");
    assert_int_equal(vsphere_model_take_unaveraged(f->model, 9, "", &specs),
                     0);
    assert_int_equal(vsphere_model_take_unaveraged(f->model, 9, "", &specs),
                     1);
    ds_destroy(&specs);

    assert_true(read_reply(f, ENVELOPE(
        "<r><objectSet><kind>leave</kind><obj type=\"VirtualMachine\">vm-2"
        "</obj></objectSet></r>")));
    assert_true(read_averages(f, AVERAGES(
        "VirtualMachine", "vm-1",
        SERIES("2", "<value>1000</value><value>-1</value><value>2000</value>"
               "<value>x</value><value>99999999</value>")
        SERIES("7", "<value>1</value>") SERIES("24", "<value>-1</value>"))));
    const Sluice__VmContext *vm = only_vm(f);
    assert_string_equal(value_of(vm, "cpu-average-percent"), "43.3");
    assert_null(value_of(vm, "memory-average-percent"));
    /* One of a VM that is gone is no failure, one of something else is. */
    assert_true(read_averages(f, AVERAGES("VirtualMachine", "vm-9", "")));
    assert_false(read_averages(f, AVERAGES("Folder", "f-1", "")));
    assert_false(read_averages(f, AVERAGES("VirtualMachine", "", "")));
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(updates_come_and_go),
        TEST(mac_addresses_are_asked_for_when_a_vm_was_reconfigured),
        TEST(a_change_within_a_property_has_the_vm_read_again),
        TEST(a_question_without_answer_is_asked_again),
        TEST(averages_are_of_the_samples_that_are_there),
        TEST(custom_attributes_have_their_names),
        TEST(folders_in_a_circle_end),
        TEST(uuids_that_say_nothing_are_no_keys),
        TEST(what_is_no_reply_is_refused),
        TEST(there_is_an_end_to_all_that_repeats),
        TEST(long_text_is_taken_in_pieces_of_any_size),
        TEST(what_a_vcenter_says_is_limited_in_all),
        TEST(there_is_one_list_of_attributes),
        TEST(a_fault_has_a_name),
        TEST(credentials_are_two_lines_for_nobody_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
