/* SPDX-License-Identifier: Apache-2.0
 *
 * The host's key: see auth-key.h.  In: other_config, a file.  Out: the key for
 * the datapath action, "sluice/reload-key". */

#include <config.h>

#include "sluice/auth-key.h"

#include <errno.h>
#include <sys/stat.h>

#include "netdev.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "seq.h"
#include "sluice/key-file.h"
#include "smap.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(sluice_auth);

#define CHECK_INTERVAL_MS 1000

struct auth_key {
    uint8_t key[SIPHASH_KEY_SIZE];
};

/* The key in use, or null. */
static OVSRCU_TYPE(struct auth_key *) current_key = OVSRCU_INITIALIZER(NULL);

/* Main thread only. */
static char *path;              /* Of the file, or null. */
static char *refusal;           /* Why it is not in use, or null. */
static struct stat seen;        /* The file as it was last read. */
static long long int next_check; /* When to look for another, in msec. */

/* Stores in '*s' what tells whether the file may have changed; zeros if there
 * is none. */
static void
look(struct stat *s)
{
    memset(s, 0, sizeof *s);
    if (stat(path, s)) {
        memset(s, 0, sizeof *s);
    }
}

static bool
looks_the_same(const struct stat *a, const struct stat *b)
{
    return (a->st_dev == b->st_dev
            && a->st_ino == b->st_ino
            && a->st_mode == b->st_mode
            && a->st_uid == b->st_uid
            && a->st_size == b->st_size
            && a->st_mtim.tv_sec == b->st_mtim.tv_sec
            && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec
            && a->st_ctim.tv_sec == b->st_ctim.tv_sec
            && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec);
}

static void
free_key(struct auth_key *key)
{
    if (key) {
        explicit_bzero(key, sizeof *key);
        free(key);
    }
}

/* Makes 'key' the one in use; null for none.  A packet has an AUTH option or
 * not by its flow, so flows must change where that changes. */
static void
use_key(const uint8_t *key)
{
    struct auth_key *old = ovsrcu_get_protected(struct auth_key *,
                                                &current_key);
    struct auth_key *new = key ? xmemdup(key, sizeof *new) : NULL;

    ovsrcu_set(&current_key, new);
    if (old) {
        ovsrcu_postpone(free_key, old);
    }
    if (!old != !new) {
        seq_change(tnl_conf_seq);
    }
}

/* Reads the file.  Whether it was any good is in 'refusal'. */
static void
load(void)
{
    struct key_file file;

    /* Look first: a change while we read is then found the next time. */
    look(&seen);
    next_check = time_msec() + CHECK_INTERVAL_MS;
    free(refusal);
    refusal = key_file_read(path, &file);
    if (refusal) {
        VLOG_WARN("%s %s", refusal, (sluice_auth_key()
                                     ? "The key read before stays in use."
                                     : "Log packets have no AUTH option."));
    } else {
        const uint8_t *old = sluice_auth_key();

        if (!old || memcmp(old, file.keys[0], SIPHASH_KEY_SIZE)) {
            VLOG_INFO("%s: using %s key for log packets", path,
                      old ? "another" : "this");
            use_key(file.keys[0]);
        }
        explicit_bzero(&file, sizeof file);
    }
}

/* Implements "sluice/reload-key". */
static void
sluice_unixctl_reload_key(struct unixctl_conn *conn, int argc OVS_UNUSED,
                          const char *argv[] OVS_UNUSED, void *aux OVS_UNUSED)
{
    if (!path) {
        unixctl_command_reply_error(conn, "there is no key file; name one in "
                                    "other_config:sluice-key-file of the "
                                    "Open_vSwitch table");
        return;
    }
    load();
    if (refusal) {
        unixctl_command_reply_error(conn, refusal);
    } else {
        unixctl_command_reply(conn, NULL);
    }
}

/* Takes the name of the file from 'other_config', the Open_vSwitch table's
 * column, and reads the file if it is another or has changed. */
void
sluice_auth_configure(const struct smap *other_config)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;
    const char *new_path = smap_get(other_config, "sluice-key-file");

    if (ovsthread_once_start(&once)) {
        unixctl_command_register("sluice/reload-key", "", 0, 0,
                                 sluice_unixctl_reload_key, NULL);
        ovsthread_once_done(&once);
    }
    if (nullable_string_is_equal(path, new_path)) {
        next_check = 0;
        sluice_auth_run();
        return;
    }

    free(path);
    path = nullable_xstrdup(new_path);
    if (path) {
        load();
    } else {
        free(refusal);
        refusal = NULL;
        use_key(NULL);
    }
}

/* Reads the file again if it has changed, for which it looks once a second. */
void
sluice_auth_run(void)
{
    if (path && time_msec() >= next_check) {
        struct stat s;

        next_check = time_msec() + CHECK_INTERVAL_MS;
        look(&s);
        if (!looks_the_same(&s, &seen)) {
            load();
        }
    }
}

/* Wakes the main loop when sluice_auth_run() has something to do. */
void
sluice_auth_wait(void)
{
    if (path) {
        poll_timer_wait_until(next_check);
    }
}

/* Fills '*status'. */
void
sluice_auth_read(struct sluice_auth_status *status)
{
    status->path = path;
    status->refusal = refusal;
    status->has_key = sluice_auth_key() != NULL;
}

/* Returns the key, SIPHASH_KEY_SIZE bytes, or null if there is none. */
const uint8_t *
sluice_auth_key(void)
{
    const struct auth_key *key = ovsrcu_get(struct auth_key *, &current_key);

    return key ? key->key : NULL;
}
