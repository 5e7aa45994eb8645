/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes what a hypervisor, or whoever reaches its port, can make the proxy
 * read.  The first byte says what the rest is: a report, whose facts are
 * merged and must be within their limits and printable; what comes on a
 * connection from its first byte on; or what comes behind a handshake. */
#include <config.h>

#include <stdlib.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "context-snapshot.h"
#include "context.pb-c.h"
#include "host-channel.h"
#include "host-facts.h"
#include "host-report.h"
#include "host-session.h"
#include "printable.h"
#include "seal.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_VALUE = 1024, ROOM = 64 * 1024 * 1024 };

/* Reports. */

static void
check_record(struct slice record)
{
    Sluice__VmContext *vm
        = sluice__vm_context__unpack(NULL, record.size, record.data);

    ovs_assert(vm && !vm->tenant && vm->vtep.len == 16);
    ovs_assert(strlen(vm->name) <= HOST_REPORT_MAX_NAME);
    ovs_assert(is_printable(slice_from_string(vm->name)));
    for (size_t i = 0; i < vm->n_value; i++) {
        const Sluice__ContextValue *v = vm->value[i];

        ovs_assert(!v->vtep.len && v->key[0] && strlen(v->key) <= 32);
        ovs_assert(strlen(v->value) <= MAX_VALUE);
        ovs_assert(is_printable(slice_from_string(v->value)));
    }
    sluice__vm_context__free_unpacked(vm, NULL);
}

static void
check_records(struct snapshot_builder *builder)
{
    char path[64];
    struct snapshot *snapshot;
    uint64_t position = 0;
    struct slice record;

    snprintf(path, sizeof path, "/tmp/sluice-fuzz-host.%ld",
             (long int) getpid());
    ovs_assert(!snapshot_builder_publish(builder, path, 1));
    ovs_assert(!snapshot_open(path, &snapshot));
    unlink(path);
    while (snapshot_next(snapshot, &position, &record)) {
        check_record(record);
    }
    snapshot_close(snapshot);
}

static void
take_report(struct slice s)
{
    static const uint8_t vtep[16] = { [10] = 0xff, 0xff, 198, 18, 0, 1 };
    static const uint32_t tenants[] = { 7, 8 };
    const struct host_origin origin = {
        .name = "hv", .ip = "198.18.0.1", .vtep = vtep,
        .tenants = tenants, .n_tenants = ARRAY_SIZE(tenants),
    };
    const char *why = NULL;
    Sluice__HostReport *report = host_report_unpack(s, &why);

    if (!report) {
        ovs_assert(why);
        return;
    }
    ovs_assert(report->n_vm <= HOST_REPORT_MAX_VMS);

    struct snapshot_builder *builder = snapshot_builder_create();
    struct merge *merge = merge_create();
    struct merge_counts counts;
    merge_begin(merge, "host:hv", RANK_HOST, false);
    host_facts_put(&origin, report, 1, merge);
    char *problem = merge_finish(merge, builder, &counts);
    ovs_assert(!problem && !counts.refused_tenants);
    merge_destroy(merge);
    check_records(builder);
    snapshot_builder_destroy(builder);
    host_report_free(report);
}

/* Connections. */

/* The ends' keys, made once. */
static struct seal_key *host_key, *proxy_key;
static uint8_t host_public[32], proxy_public[32];

static struct seal_key *
make_key(const char *name, uint8_t public[32])
{
    char *path = xasprintf("/tmp/sluice-fuzz-%s.%ld", name,
                           (long int) getpid());
    char *public_path = xasprintf("%s.pub", path);
    struct seal_key *key;

    ovs_assert(!seal_key_generate(path, public_path));
    ovs_assert(!seal_key_read(path, &key));
    seal_key_public(key, public);
    unlink(path);
    unlink(public_path);
    free(public_path);
    free(path);
    return key;
}

/* Lets the session take what there is.  Returns false once it is over. */
static bool
run(struct host_session *s)
{
    for (;;) {
        switch (host_session_run(s, ROOM)) {
        case HOST_WAIT:
            return true;
        case HOST_HELLO:
            if (memcmp(host_session_claim(s), host_public, 32)
                || host_session_answer(s, proxy_key)) {
                return false;
            }
            break;
        case HOST_START:
            break;
        case HOST_MESSAGE:
            take_report(host_session_message(s));
            break;
        case HOST_END:
        default:
            ovs_assert(host_session_error(s));
            return false;
        }
        ovs_assert(host_session_size(s) <= ROOM);
    }
}

/* Shakes hands on 'fd' as the host. */
static void
shake_hands(struct host_session *s, int fd)
{
    uint8_t hello[HOST_CHANNEL_HELLO_SIZE], start[HOST_CHANNEL_START_SIZE];
    uint8_t welcome[HOST_CHANNEL_WELCOME_SIZE];
    struct host_channel *channel;

    ovs_assert(!host_channel_greet(host_key, proxy_public, hello, &channel));
    ovs_assert(send(fd, hello, sizeof hello, 0) == sizeof hello);
    ovs_assert(run(s));
    ovs_assert(recv(fd, welcome, sizeof welcome, 0) == sizeof welcome);
    ovs_assert(!host_channel_take_welcome(channel, host_key, welcome,
                                          start));
    ovs_assert(send(fd, start, sizeof start, 0) == sizeof start);
    ovs_assert(run(s));
    host_channel_destroy(channel);
}

static void
take_stream(struct slice s, bool after_handshake)
{
    int fds[2];

    ovs_assert(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds));
    struct host_session *session = host_session_create(fds[0], "fuzz");
    if (after_handshake) {
        shake_hands(session, fds[1]);
    }
    while (s.size) {
        size_t n = MIN(s.size, 1000);

        ovs_assert(send(fds[1], s.data, n, 0) == (ssize_t) n);
        s = slice_of(s.data + n, s.size - n);
        if (!run(session)) {
            break;
        }
    }
    host_session_destroy(session);
    close(fds[1]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) {
        return 0;
    }
    if (!host_key) {
        host_key = make_key("host-key", host_public);
        proxy_key = make_key("proxy-key", proxy_public);
    }
    struct slice rest = slice_of(data + 1, size - 1);

    if (data[0] % 3 == 0) {
        take_report(rest);
    } else {
        take_stream(rest, data[0] % 3 == 1);
    }
    return 0;
}
