/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeps the ledger.  See ledger-keeper.h. */
#include <config.h>

#include "ledger-keeper.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ledger-file.h"
#include "ledger.h"
#include "openvswitch/vlog.h"
#include "ovs-thread.h"
#include "proxy-config.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(ledger);

enum { INTERVAL_MS = 1000 };

struct ledger_keeper {
    char *run;
    char *intake_stats;
    char *path;                 /* Of the ledger. */
    pthread_t thread;
    int stop_fd;                /* eventfd. */
    uint8_t *written;           /* The ledger that is in the file, */
    size_t written_size;
    uint64_t latest_ns;         /* and when it was found to be right. */
    int error;                  /* Atomic, as is the above. */
};

/* Splits "ship-<tenant>-<queue>.stats". */
static bool
parse_name(const char *name, uint32_t *ret_tenant, char *queue, size_t size)
{
    unsigned int tenant;
    int n = 0;

    if (sscanf(name, "ship-%8u%n", &tenant, &n) != 1) {
        return false;
    }
    const char *suffix = strrchr(name + n, '.');
    if (!suffix || strcmp(suffix, ".stats")) {
        return false;
    }
    if (name[n] == '-') {
        n++;
    } else if (&name[n] != suffix) {
        return false;
    }
    snprintf(queue, size, "%.*s", (int) (suffix - &name[n]), &name[n]);
    *ret_tenant = tenant;
    return true;
}

void
ledger_each_queue(const char *run,
                  void (*cb)(const char *path, uint32_t tenant,
                             const char *queue, void *aux),
                  void *aux)
{
    DIR *dir = opendir(run);
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        char queue[NAME_MAX + 1];
        uint32_t tenant;

        if (parse_name(entry->d_name, &tenant, queue, sizeof queue)) {
            char *path = xasprintf("%s/%s", run, entry->d_name);
            cb(path, tenant, queue, aux);
            free(path);
        }
    }
    if (dir) {
        closedir(dir);
    }
}

static void
put_queue(const char *path, uint32_t tenant OVS_UNUSED, const char *queue,
          void *draft)
{
    const struct ship_stats *stats;

    if (!ship_stats_map_ro(path, &stats)) {
        ledger_put_queue(draft, queue, stats);
        stats_unmap(stats);
    }
}

/* Writes the ledger if it is not what was written last. */
static void
keep(struct ledger_keeper *k)
{
    struct ledger_draft *draft = ledger_draft_create();
    uint64_t now_ns = time_wall_msec() * UINT64_C(1000000);
    const struct intake_stats *stats;
    int error = 0;
    size_t size;

    if (!intake_stats_map_ro(k->intake_stats, &stats)) {
        ledger_put_intake(draft, stats);
        stats_unmap(stats);
    }
    ledger_each_queue(k->run, put_queue, draft);
    uint8_t *packed = ledger_draft_pack(draft, &size);
    ledger_draft_destroy(draft);

    if (!k->written || size != k->written_size
        || memcmp(packed, k->written, size)) {
        error = ledger_file_write(k->path, now_ns, slice_of(packed, size));
        if (!error) {
            free(k->written);
            k->written = packed;
            k->written_size = size;
            packed = NULL;
        }
    }
    free(packed);
    if (!error) {
        __atomic_store_n(&k->latest_ns, now_ns, __ATOMIC_RELAXED);
    } else {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
        VLOG_WARN_RL(&rl, "%s can't be written: %s; if this machine stops "
                     "now, its books begin where they were last written",
                     k->path, ovs_strerror(error));
    }
    __atomic_store_n(&k->error, error, __ATOMIC_RELAXED);
}

static void *
keep_on(void *k_)
{
    struct ledger_keeper *k = k_;
    struct pollfd pfd = { .fd = k->stop_fd, .events = POLLIN };

    do {
        keep(k);
    } while (poll(&pfd, 1, INTERVAL_MS) <= 0);
    return NULL;
}

struct ledger_keeper *
ledger_keeper_start(const struct config *config)
{
    struct ledger_keeper *k = xzalloc(sizeof *k);

    k->run = xstrdup(config->paths.run);
    k->intake_stats = config_path_intake_stats(config);
    k->path = config_path_ledger(config);
    k->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (k->stop_fd < 0) {
        VLOG_FATAL("there is no descriptor for the ledger: %s",
                   ovs_strerror(errno));
    }
    k->thread = ovs_thread_create("ledger", keep_on, k);
    return k;
}

void
ledger_keeper_stop(struct ledger_keeper *k)
{
    if (k) {
        uint64_t one = 1;

        ignore(write(k->stop_fd, &one, sizeof one));
        xpthread_join(k->thread, NULL);
        keep(k);
        close(k->stop_fd);
        free(k->written);
        free(k->path);
        free(k->intake_stats);
        free(k->run);
        free(k);
    }
}

uint64_t
ledger_keeper_latest(struct ledger_keeper *k, int *ret_error)
{
    *ret_error = __atomic_load_n(&k->error, __ATOMIC_RELAXED);
    return __atomic_load_n(&k->latest_ns, __ATOMIC_RELAXED);
}
