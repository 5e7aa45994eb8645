/* SPDX-License-Identifier: Apache-2.0
 *
 * Wires the stages of sluice-intake.  See pipeline.h. */
#include <config.h>

#include "pipeline.h"

#include <stdlib.h>

#include "openvswitch/vlog.h"
#include "s2-decap.h"
#include "s3-account.h"
#include "s6-enrich.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(pipeline);

enum { TICK_MS = 100 };

struct pipeline {
    struct intake_stats *stats;     /* Borrowed. */
    struct receive *receive;        /* Borrowed; may be null. */
    struct decap decap;
    struct account *account;
    struct redactor *redactor;
    struct enrich *enrich;
    struct store *store;
};

static void
intend(void *receive, const struct receive_intent *intent)
{
    receive_socket_intend(receive, intent);
}

char *
pipeline_create(const struct pipeline_options *options, struct pipeline **ret)
{
    struct pipeline *p = xzalloc(sizeof *p);
    char *error = NULL;

    p->stats = options->stats;
    p->receive = options->receive;
    p->account = account_create(options->stats);
    p->enrich = enrich_create(options->snapshot, options->stats);
    p->decap.host_keys = options->host_keys;
    error = decap_configure(&p->decap, options->option_class,
                            options->config);
    if (error) {
        goto out;
    }
    int err = redactor_create(&p->redactor);
    if (err) {
        error = xasprintf("can't compile the redaction rules: %s",
                          ovs_strerror(err));
        goto out;
    }
    struct store_options store_options = options->store;
    if (options->receive) {
        store_options.intend = intend;
        store_options.aux = options->receive;
    }
    error = store_create(&store_options, &p->store);
    if (error) {
        goto out;
    }
    *ret = p;
    p = NULL;

out:
    pipeline_destroy(p);
    return error;
}

void
pipeline_destroy(struct pipeline *p)
{
    if (p) {
        store_destroy(p->store);
        enrich_destroy(p->enrich);
        redactor_destroy(p->redactor);
        account_destroy(p->account);
        decap_uninit(&p->decap);
        free(p);
    }
}

static void
count_tenant(struct pipeline *p, const struct record *rec,
             enum sluice_drop drop)
{
    struct stats_tenant *t = intake_stats_tenant(p->stats, rec->meta.vni);
    if (!t) {
        return;
    }

    stats_add(&t->counters[TENANT_RECEIVED], 1);
    if (drop) {
        stats_add(&t->counters[TENANT_DROPPED], 1);
        stats_add(&t->drops[drop], 1);
        return;
    }
    stats_add(&t->counters[TENANT_BYTES], rec->inner.payload.size);
    stats_add(&t->counters[TENANT_REDACTIONS], rec->text.n_redactions);
    stats_add(&t->counters[TENANT_REDACTED], rec->text.n_redactions > 0);
}

static void
count_drop(struct pipeline *p, enum sluice_drop drop)
{
    if (drop) {
        stats_add(&p->stats->counters[INTAKE_DROPPED], 1);
        stats_add(&p->stats->drops[drop], 1);
    }
}

/* Returns the time that tells which year a message without one is of: the
 * switch's, unless that is beyond what a message can say. */
static int64_t
reference_ns(const struct record *rec)
{
    return rec->switch_ns <= INT64_MAX ? rec->switch_ns : rec->received_ns;
}

/* Sends 'rec' through all stages; through all but the last if 'stored', where
 * a process died between storing the line and putting it into the books. */
static void
run(struct pipeline *p, struct record *rec, bool stored)
{
    stats_add(&p->stats->counters[INTAKE_PACKETS], 1);
    stats_add(&p->stats->counters[INTAKE_BYTES], rec->packet.size);

    struct decap_verdict verdict = decap_run(&p->decap, rec);
    if (verdict.origin) {
        count_drop(p, verdict.origin);
        return;
    }

    enum sluice_drop drop = account_find(p->account, rec);
    if (!drop) {
        drop = verdict.inner;
    }
    if (!drop) {
        redactor_run(p->redactor, rec->inner.payload, NULL, &rec->text);
        syslog_msg_parse(rec->text.text, reference_ns(rec), &rec->msg);
        enrich_run(p->enrich, rec);
        drop = stored ? SLUICE_DROP_NONE : store_run(p->store, rec);
    }
    account_commit(p->account, rec, drop);
    count_tenant(p, rec, drop);
    count_drop(p, drop);
}

void
pipeline_run(struct pipeline *p, struct record *rec)
{
    run(p, rec, false);
}

void
pipeline_drain(struct pipeline *p)
{
    struct record rec;

    while (receive_socket_next(p->receive, &rec)) {
        run(p, &rec, false);
        receive_socket_done(p->receive);
    }
}

char *
pipeline_recover(struct pipeline *p)
{
    struct receive_intent intent;
    bool interrupted = (p->receive
                        && receive_socket_interrupted(p->receive, &intent));
    bool committed = false;
    char *error = store_recover(p->store, interrupted ? &intent : NULL,
                                &committed);
    if (error || !p->receive) {
        return error;
    }

    struct record rec;
    if (committed && receive_socket_next(p->receive, &rec)) {
        run(p, &rec, true);
        receive_socket_done(p->receive);
    }
    pipeline_drain(p);
    return NULL;
}

int
pipeline_tick(struct pipeline *p)
{
    long long int now = time_msec();

    enrich_refresh(p->enrich, now);
    return store_tick(p->store, now, TICK_MS);
}

void
pipeline_flush(struct pipeline *p)
{
    store_flush(p->store, NULL, NULL);
}

static bool
is_configured(uint32_t tenant, void *config)
{
    return config_find_tenant(config, tenant) != NULL;
}

char *
pipeline_reconfigure(struct pipeline *p, const struct config *config)
{
    char *sentence = decap_configure(&p->decap, config->tunnel.option_class,
                                     config);

    if (sentence) {
        return sentence;
    }
    store_flush(p->store, is_configured, (void *) config);
    VLOG_INFO("configuration of %u tenants and %u hosts is in use",
              config->tenants_count, config->hosts_count);
    return NULL;
}
