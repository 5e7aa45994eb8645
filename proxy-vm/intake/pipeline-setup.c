/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes the stages, and has them go by another configuration.  See
 * pipeline.h. */
#include <config.h>

#include "pipeline-private.h"

#include <stdlib.h>

#include "context-table.h"
#include "liveness.h"
#include "openvswitch/vlog.h"
#include "redaction.h"
#include "rule-table.h"
#include "failpoint.h"
#include "s2-join.h"
#include "s3-account.h"
#include "s5-claims.h"
#include "s6-enrich.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(pipeline_setup);

static void
intend(void *receive, const struct receive_intent *intent)
{
    receive_intend(receive, intent);
}

/* The same in a test: costs nothing otherwise. */
static void
intend_and_pass(void *receive, const struct receive_intent *intent)
{
    intend(receive, intent);
    failpoint(FAIL_LINE_INTENDED);
}

static void
settle_committed(void *receive)
{
    receive_settle(receive, SLUICE_DROP_NONE);
}

/* Has stage 4 go by 'config', if there is one. */
static void
reassemble_by_config(struct pipeline *p, const struct config *config)
{
    if (config) {
        const struct reassemble_config new_config = {
            .tenant_slots = config->reassembly.tenant_flows,
            .tenant_bytes = config->reassembly.tenant_bytes,
            .wait_ms = config->reassembly.wait_ms,
            .multi_line = config->reassembly.multi_line,
            .tenants = config,
        };
        reassemble_configure(p->reassemble, &new_config);
    }
}

/* Makes stage 7, which a trial has none of. */
static char *
create_store(struct pipeline *p, const struct pipeline_options *options)
{
    struct store_options store_options = options->store;
    struct recipients *recipients;

    char *error = recipients_load(options->config, p->copies, &recipients);
    if (error) {
        return error;
    }
    store_options.config = options->config;
    if (options->receive) {
        store_options.intend = (failpoints_are_on() ? intend_and_pass
                                : intend);
        store_options.settle = settle_committed;
        store_options.aux = options->receive;
    }
    error = store_create(&store_options, &p->store);
    if (error) {
        recipients_destroy(recipients);
        return error;
    }
    store_reconfigure(p->store, options->config, &recipients);
    return NULL;
}

char *
pipeline_create(const struct pipeline_options *options, struct pipeline **ret)
{
    struct pipeline *p = xzalloc(sizeof *p);
    struct context_policy *policy;
    char *error = NULL;

    p->stats = options->stats;
    p->receive = options->receive;
    p->clock_skew_ms = (options->config
                        ? options->config->context.clock_skew_ms
                        : CLAIMS_CLOCK_SKEW_MS);
    if (p->receive) {
        receive_undo(p->receive, &p->undo, p->stats);
    }
    p->account = account_create(options->stats, &p->undo);
    p->decap.host_keys = options->host_keys;
    p->trial = options->trial;
    error = context_table_load(options->config, &policy);
    if (error) {
        goto out;
    }
    p->enrich = enrich_create(options->snapshot, policy, options->stats);
    if (p->trial && p->trial->vm_name) {
        enrich_assume(p->enrich, p->trial->vm_name);
    }
    error = decap_configure(&p->decap, options->option_class,
                            p->trial ? NULL : options->config);
    if (error) {
        goto out;
    }
    const struct reassemble_sink sink = { pipeline_take_message, pipeline_take_gap, p };
    int err = parts_create(options->parts, options->stats, pipeline_drop_parts, p,
                           &p->parts);
    if (err) {
        error = xasprintf("can't keep parts of frames%s%s: %s",
                          options->parts ? " in " : "",
                          options->parts ? options->parts : "",
                          ovs_strerror(err));
        goto out;
    }
    err = reassemble_create(options->held,
                            p->receive ? receive_ticket(p->receive) : 0,
                            p->account, &sink, &p->reassemble);
    if (err) {
        error = xasprintf("can't map %s: %s", options->held
                          ? options->held : "memory", ovs_strerror(err));
        goto out;
    }
    reassemble_by_config(p, options->config);
    p->copies = options->host_keys;
    error = redaction_load(options->config, p->copies, &p->redaction);
    if (error) {
        goto out;
    }
    p->tick_ms = time_msec();
    error = rules_stage_create(options->config, options->stats, &p->undo,
                               &p->rules);
    if (error) {
        goto out;
    }
    if (options->bfd_sessions) {
        p->liveness = liveness_create(options->bfd_sessions, options->receive,
                                      options->stats);
        if (!p->liveness) {
            error = xstrdup("there is no memory for BFD sessions");
            goto out;
        }
    }
    error = p->trial ? NULL : create_store(p, options);
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
        liveness_destroy(p->liveness);
        store_destroy(p->store);
        rules_stage_destroy(p->rules);
        enrich_destroy(p->enrich);
        redaction_destroy(p->redaction);
        reassemble_destroy(p->reassemble);
        parts_destroy(p->parts);
        account_destroy(p->account);
        decap_uninit(&p->decap);
        free(p);
    }
}

static bool
is_configured(uint32_t tenant, void *config)
{
    return config_find_tenant(config, tenant) != NULL;
}

char *
pipeline_reconfigure(struct pipeline *p, const struct config *config)
{
    struct redaction *redaction = NULL;
    struct recipients *recipients = NULL;
    struct rules *rules = NULL;
    struct context_policy *policy = NULL;
    char *sentence = redaction_load(config, p->copies, &redaction);

    if (!sentence) {
        sentence = recipients_load(config, p->copies, &recipients);
    }
    if (!sentence) {
        sentence = rule_table_load(config, &rules);
    }
    if (!sentence) {
        sentence = context_table_load(config, &policy);
    }
    if (!sentence) {
        sentence = decap_configure(&p->decap, config->tunnel.option_class,
                                   config);
    }
    if (sentence) {
        redaction_destroy(redaction);
        recipients_destroy(recipients);
        rules_destroy(rules);
        context_policy_destroy(policy);
        return sentence;
    }
    redaction_destroy(p->redaction);
    p->redaction = redaction;
    pipeline_announce_rules(p, true);
    rules_stage_use(p->rules, &rules);
    enrich_use(p->enrich, &policy);
    p->clock_skew_ms = config->context.clock_skew_ms;
    reassemble_by_config(p, config);
    store_flush(p->store, is_configured, (void *) config);
    store_reconfigure(p->store, config, &recipients);
    VLOG_INFO("configuration of %u tenants, %u hosts and %u rules is in use",
              config->tenants_count, config->hosts_count, config->rules_count);
    return NULL;
}
