/* SPDX-License-Identifier: Apache-2.0
 *
 * Sends lines through the pipeline to be shown.  See trial.h. */
#include <config.h>

#include "trial.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy-config.h"
#include "proxy-config-keys.h"
#include "rule-match.h"
#include "stats.h"
#include "timeval.h"
#include "util.h"

/* Sends a line that no tunnel brought through the pipeline. */
static void
run_line(struct trial *t, struct record *rec, struct slice line)
{
    rec->switch_ns = rec->received_ns;
    rec->meta = (struct tunnel_meta) {
        .has = TUNNEL_HAS_META | (t->has_vm ? TUNNEL_HAS_VM : 0),
        .vni = t->tenant,
    };
    if (t->has_vm) {
        memcpy(rec->meta.vm, t->vm, sizeof rec->meta.vm);
    }
    rec->inner = (struct inner_packet) {
        .kind = INNER_UDP, .payload = line,
    };
    pipeline_run_line(t->pipeline, rec);
}

static void
run_packet(struct record *rec, void *t_)
{
    struct trial *t = t_;

    t->number++;
    pipeline_run(t->pipeline, rec);
    pipeline_tick(t->pipeline);
}

static void
run_plain_packet(struct record *rec, void *t_)
{
    struct trial *t = t_;

    t->number++;
    run_line(t, rec, rec->packet);
}

/* Says that lines without a tunnel need a tenant, if none is known. */
static char *
want_tenant(const struct trial *t)
{
    return (t->tenant ? NULL
            : xasprintf("%s does not say whose it is, and there are %u "
                        "tenants; name one with --tenant.",
                        t->options->file ? t->options->file : "the line",
                        t->config->tenants_count));
}

/* Sends the line of the options. */
static char *
run_one(struct trial *t)
{
    struct record rec = {
        .received_ns = time_wall_msec() * UINT64_C(1000000),
    };
    char *sentence = want_tenant(t);

    if (!sentence) {
        t->number++;
        run_line(t, &rec, slice_from_string(t->options->line));
    }
    return sentence;
}

static char *
run_capture(struct trial *t)
{
    uint32_t port;
    uint64_t n_skipped;

    if (!config_parse_uint(t->options->port, &port) || !port
        || port > UINT16_MAX) {
        return xasprintf("--port: \"%s\" is not a UDP port; give 1 to 65535.",
                         t->options->port);
    }
    char *sentence = receive_pcap(t->options->file, t->config->tunnel.port,
                                  run_packet, t, &n_skipped);
    if (!sentence && !t->number) {
        sentence = want_tenant(t);
        if (!sentence) {
            sentence = receive_pcap(t->options->file, port, run_plain_packet,
                                    t, &n_skipped);
        }
    }
    if (!sentence && !t->number) {
        sentence = xasprintf("%s has no packet to UDP port %u (GENEVE) or "
                             "%u; name the port with --port.",
                             t->options->file, t->config->tunnel.port, port);
    }
    return sentence;
}

static char *
run_text(struct trial *t, FILE *file)
{
    uint64_t now_ns = time_wall_msec() * UINT64_C(1000000);
    char *sentence = want_tenant(t);
    char *line = NULL;
    size_t allocated = 0;
    ssize_t n;

    while (!sentence && (n = getline(&line, &allocated, file)) >= 0) {
        struct record rec = { .received_ns = now_ns };

        t->number++;
        if (n && line[n - 1] == '\n') {
            n--;
        }
        if (n) {
            run_line(t, &rec, slice_of(line, n));
        }
    }
    if (!sentence && ferror(file)) {
        sentence = xasprintf("%s can't be read: %s.", t->options->file,
                             ovs_strerror(errno));
    }
    free(line);
    return sentence;
}

/* Whether 'file' begins as a capture does: pcap of either byte order, with
 * microseconds or nanoseconds, or pcapng. */
static bool
is_capture(FILE *file)
{
    static const uint8_t magics[][4] = {
        { 0xd4, 0xc3, 0xb2, 0xa1 }, { 0xa1, 0xb2, 0xc3, 0xd4 },
        { 0x4d, 0x3c, 0xb2, 0xa1 }, { 0xa1, 0xb2, 0x3c, 0x4d },
        { 0x0a, 0x0d, 0x0d, 0x0a },
    };
    uint8_t magic[4];
    size_t n = fread(magic, 1, sizeof magic, file);

    rewind(file);
    for (size_t i = 0; n == sizeof magic && i < ARRAY_SIZE(magics); i++) {
        if (!memcmp(magic, magics[i], sizeof magic)) {
            return true;
        }
    }
    return false;
}

/* Reads what the options say of lines without a tunnel. */
static char *
read_origin(struct trial *t)
{
    uint32_t tenant = t->options->tenant;

    t->has_vm = t->options->vm && uuid_bytes_parse(t->options->vm, t->vm);
    if (!tenant) {
        t->tenant = (t->config->tenants_count == 1 ? t->config->tenants[0].id
                     : 0);
    } else if (!config_find_tenant(t->config, tenant)) {
        return xasprintf("--tenant: there is no tenant %"PRIu32" in %s; give "
                         "the number of one.", tenant, t->options->config);
    } else {
        t->tenant = tenant;
    }
    return NULL;
}

char *
trial_open(struct trial *t, const struct trial_options *options,
           void (*show)(void *aux, const struct record *, enum sluice_drop),
           void *aux)
{
    *t = (struct trial) {
        .options = options,
        .show = { .vm_name = options->vm, .show = show, .aux = aux },
    };

    char *sentence = config_load(options->config, &t->config);
    if (!sentence) {
        sentence = read_origin(t);
    }
    if (sentence) {
        return sentence;
    }
    t->stats = xzalloc(sizeof *t->stats);

    char *snapshot = config_path_snapshot(t->config);
    const struct pipeline_options pipeline_options = {
        .option_class = t->config->tunnel.option_class,
        .config = t->config,
        .snapshot = snapshot,
        .stats = t->stats,
        .trial = &t->show,
    };
    sentence = pipeline_create(&pipeline_options, &t->pipeline);
    free(snapshot);
    return sentence;
}

char *
trial_run(struct trial *t)
{
    char *sentence;

    if (!t->options->file) {
        sentence = run_one(t);
    } else {
        FILE *file = fopen(t->options->file, "r");

        if (!file) {
            return xasprintf("%s can't be read: %s.", t->options->file,
                             ovs_strerror(errno));
        }
        sentence = is_capture(file) ? run_capture(t) : run_text(t, file);
        fclose(file);
    }
    if (!sentence) {
        pipeline_flush(t->pipeline);
    }
    return sentence;
}

void
trial_close(struct trial *t)
{
    pipeline_destroy(t->pipeline);
    free(t->stats);
    config_destroy(t->config);
}

bool
trial_was_parsed(enum sluice_drop drop)
{
    for (int i = 0; drop && i < N_RULE_ACTIONS; i++) {
        if (rule_action_drop(i) == drop) {
            return true;
        }
    }
    return !drop;
}
