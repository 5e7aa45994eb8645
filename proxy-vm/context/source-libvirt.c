/* SPDX-License-Identifier: Apache-2.0
 *
 * The libvirt source: what libvirts know, one instance for each.
 *
 * In: a manager of the configuration whose kind is "libvirt".
 * Out: the facts about each of its domains.
 * Runs in: sluice-context. */
#include <config.h>

#include "context-source.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "libvirt-link.h"
#include "libvirt-model.h"
#include "util.h"

enum { VALIDITY_MS = 5 * 60 * 1000 };

struct libvirt_state {
    char *name;
    struct libvirt_link *link;
};

/* Returns libvirt number 'i' of the managers, or null. */
static const struct config_manager *
find_manager(const struct context_settings *settings, size_t i)
{
    for (size_t j = 0; j < settings->n_managers; j++) {
        const struct config_manager *manager = &settings->managers[j];

        if (!strcmp(manager->kind, source_libvirt.name) && !i--) {
            return manager;
        }
    }
    return NULL;
}

static char *
libvirt_settings_of(const struct context_settings *settings, size_t i)
{
    const struct config_manager *m = find_manager(settings, i);

    return m ? xasprintf("%s\n%s\n%"PRIu32, m->name, m->uri,
                         m->poll_interval_ms) : NULL;
}

static void *
libvirt_init(const struct context_settings *settings, size_t i)
{
    const struct config_manager *manager = find_manager(settings, i);
    struct libvirt_state *s = xzalloc(sizeof *s);
    char *full_name = xasprintf("%s:%s", source_libvirt.name, manager->name);

    s->name = xstrdup(manager->name);
    s->link = libvirt_link_create(&(struct libvirt_options) {
        .name = full_name,
        .uri = manager->uri,
        .poll_ms = manager->poll_interval_ms,
        .stall_ms = LIBVIRT_STALL_MS,
    });
    free(full_name);
    return s;
}

static void
libvirt_uninit(void *s_)
{
    struct libvirt_state *s = s_;

    libvirt_link_destroy(s->link);
    free(s->name);
    free(s);
}

static const char *
libvirt_name_of(const void *s_)
{
    const struct libvirt_state *s = s_;

    return s->name;
}

static void
libvirt_reload(void *s_)
{
    struct libvirt_state *s = s_;

    libvirt_link_hurry(s->link);
}

static bool
libvirt_run(void *s_)
{
    struct libvirt_state *s = s_;

    return libvirt_link_run(s->link);
}

static void
libvirt_wait(void *s_)
{
    struct libvirt_state *s = s_;

    libvirt_link_wait(s->link);
}

static const char *
libvirt_problem(const void *s_)
{
    const struct libvirt_state *s = s_;

    return libvirt_link_problem(s->link);
}

static long long int
libvirt_heard_at(const void *s_)
{
    const struct libvirt_state *s = s_;

    return libvirt_link_heard_at(s->link);
}

static void
libvirt_put_status(const void *s_, struct ds *status)
{
    const struct libvirt_state *s = s_;

    libvirt_link_put_status(s->link, status);
}

static void
libvirt_put(const void *s_, struct merge *merge)
{
    const struct libvirt_state *s = s_;

    libvirt_model_put(libvirt_link_model(s->link), merge);
}

const struct context_source source_libvirt = {
    .name = "libvirt",
    .rank = RANK_MANAGER,
    .validity_ms = VALIDITY_MS,
    .settings_of = libvirt_settings_of,
    .init = libvirt_init,
    .uninit = libvirt_uninit,
    .name_of = libvirt_name_of,
    .reload = libvirt_reload,
    .run = libvirt_run,
    .wait = libvirt_wait,
    .problem = libvirt_problem,
    .heard_at = libvirt_heard_at,
    .put_status = libvirt_put_status,
    .put = libvirt_put,
};
