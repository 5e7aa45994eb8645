/* SPDX-License-Identifier: Apache-2.0
 *
 * The vSphere source: what vCenters know, one instance for each.
 *
 * In: a manager of the configuration whose kind is "vsphere".
 * Out: the facts about each of its VMs.
 * Runs in: sluice-context. */
#include <config.h>

#include "context-source.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"
#include "vsphere-session.h"
#include "vsphere-tags.h"

enum { VALIDITY_MS = 5 * 60 * 1000 };

struct vsphere_state {
    char *name;
    struct vsphere_session *session;
    struct vsphere_tags *tags;  /* Null: they are not wanted. */
};

/* Reads 64 hexadecimal digits, which were checked. */
static void
parse_pin(const char *digits, uint8_t pin[HTTP_PIN_SIZE])
{
    for (size_t i = 0; i < HTTP_PIN_SIZE; i++) {
        pin[i] = hexit_value(digits[2 * i]) * 16
                 + hexit_value(digits[2 * i + 1]);
    }
}

static void *
start(const struct config_manager *manager)
{
    struct vsphere_state *s = xzalloc(sizeof *s);
    uint8_t pin[HTTP_PIN_SIZE];
    char *url = xasprintf("https://%s/sdk", manager->server);
    char *tags_url = xasprintf("https://%s/rest/com/vmware/cis",
                               manager->server);
    char *full_name = xasprintf("%s:%s", source_vsphere.name, manager->name);
    struct http_options http = {
        .url = url,
        .ca_file = manager->ca_file,
        .pin = manager->certificate_sha256 ? pin : NULL,
    };

    if (manager->certificate_sha256) {
        parse_pin(manager->certificate_sha256, pin);
    }
    s->name = xstrdup(manager->name);
    s->session = vsphere_session_create(&(struct vsphere_options) {
        .name = full_name,
        .credentials_file = manager->credentials_file,
        .poll_ms = manager->poll_interval_ms,
        .average_ms = manager->average_interval_ms,
        .http = http,
    });
    if (manager->tags_interval_ms) {
        http.url = tags_url;
        s->tags = vsphere_tags_create(&(struct vsphere_tags_options) {
            .name = full_name,
            .credentials_file = manager->credentials_file,
            .interval_ms = manager->tags_interval_ms,
            .http = http,
        });
    }
    free(full_name);
    free(tags_url);
    free(url);
    return s;
}

/* Returns vCenter number 'i' of the managers, or null. */
static const struct config_manager *
find_manager(const struct context_settings *settings, size_t i)
{
    for (size_t j = 0; j < settings->n_managers; j++) {
        const struct config_manager *manager = &settings->managers[j];

        if (!strcmp(manager->kind, source_vsphere.name) && !i--) {
            return manager;
        }
    }
    return NULL;
}

static char *
vsphere_settings_of(const struct context_settings *settings, size_t i)
{
    const struct config_manager *m = find_manager(settings, i);

    return m ? xasprintf("%s\n%s\n%s\n%s\n%s\n%"PRIu32" %"PRIu32
                         " %"PRIu32, m->name,
                         m->server, m->credentials_file,
                         m->ca_file ? m->ca_file : "",
                         m->certificate_sha256 ? m->certificate_sha256 : "",
                         m->poll_interval_ms, m->tags_interval_ms,
                         m->average_interval_ms) : NULL;
}

static void *
vsphere_init(const struct context_settings *settings, size_t i)
{
    return start(find_manager(settings, i));
}

static void
vsphere_uninit(void *s_)
{
    struct vsphere_state *s = s_;

    vsphere_session_destroy(s->session);
    vsphere_tags_destroy(s->tags);
    free(s->name);
    free(s);
}

static const char *
vsphere_name_of(const void *s_)
{
    const struct vsphere_state *s = s_;

    return s->name;
}

/* Nothing needs to be asked anew of who says what changes, other than tags;
 * but a back-off ends. */
static void
vsphere_reload(void *s_)
{
    struct vsphere_state *s = s_;

    vsphere_session_hurry(s->session);
    if (s->tags) {
        vsphere_tags_hurry(s->tags);
    }
}

static bool
vsphere_run(void *s_)
{
    struct vsphere_state *s = s_;

    bool has_read = s->tags && vsphere_tags_run(s->tags);

    return vsphere_session_run(s->session) || has_read;
}

static void
vsphere_wait(void *s_)
{
    struct vsphere_state *s = s_;

    vsphere_session_wait(s->session);
    if (s->tags) {
        vsphere_tags_wait(s->tags);
    }
}

static const char *
vsphere_problem(const void *s_)
{
    const struct vsphere_state *s = s_;

    const char *problem = vsphere_session_problem(s->session);

    return (problem || !s->tags ? problem : vsphere_tags_problem(s->tags));
}

static long long int
vsphere_heard_at(const void *s_)
{
    const struct vsphere_state *s = s_;

    return vsphere_session_heard_at(s->session);
}

static void
vsphere_put_status(const void *s_, struct ds *status)
{
    const struct vsphere_state *s = s_;

    vsphere_session_put_status(s->session, status);
    if (s->tags) {
        vsphere_tags_put_status(s->tags, status);
    }
}

static void
vsphere_put(const void *s_, struct merge *merge)
{
    const struct vsphere_state *s = s_;

    vsphere_model_put(vsphere_session_model(s->session), s->tags, merge);
}

BUILD_ASSERT_DECL((int) VSPHERE_MAX_MACS <= (int) MERGE_MAX_MACS);

const struct context_source source_vsphere = {
    .name = "vsphere",
    .rank = RANK_MANAGER,
    .validity_ms = VALIDITY_MS,
    .settings_of = vsphere_settings_of,
    .init = vsphere_init,
    .uninit = vsphere_uninit,
    .name_of = vsphere_name_of,
    .reload = vsphere_reload,
    .run = vsphere_run,
    .wait = vsphere_wait,
    .problem = vsphere_problem,
    .heard_at = vsphere_heard_at,
    .put_status = vsphere_put_status,
    .put = vsphere_put,
};
