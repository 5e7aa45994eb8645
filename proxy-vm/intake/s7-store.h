/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 7, store: appends lines to their tenant's open batch, and puts batches
 * that are full or old into the spool: compressed, sealed, synced.
 *
 * In: a whole record.
 * Out: RUN/open/<tenant>-<generation>-<number>.open,
 * SPOOL/<tenant>/<queue>/<generation>-<number>.batch. */
#ifndef SLUICE_STORE_H
#define SLUICE_STORE_H 1

#include "recipients.h"
#include "s1-receive.h"
#include "s3-account.h"

struct store_options {
    const char *open_dir;       /* Existing directory, in tmpfs. */
    const char *spool;          /* Existing directory. */
    const char *public_key;     /* File: to whom batches are sealed. */
    uint32_t max_bytes;         /* Of a batch, before compression. */
    uint32_t max_delay_ms;      /* Age at which an open batch is closed. */
    struct intake_stats *stats; /* Borrowed. */
    const struct config *config; /* Borrowed: which queues each tenant has.
                                  * Null: each has one, "main". */
    /* Called before each commit with what is about to change; may be null. */
    void (*intend)(void *aux, const struct receive_intent *);
    /* Called when the commit that a dead process intended is found to have
     * been made, before the batch that shows it leaves; null if that is. */
    void (*settle)(void *aux);
    void *aux;
};

struct store;

/* Returns null and '*ret', which the caller owns, or a malloc()ed sentence.
 * Strings in 'options' are borrowed until store_destroy(). */
char *store_create(const struct store_options *options, struct store **ret);

/* From now on 'config', which it borrows, says which queues there are, and
 * '*recipients', which it takes and sets to null, to whom they are sealed. */
void store_reconfigure(struct store *, const struct config *config,
                       struct recipients **recipients);

/* Destroys the store; lines that store_flush() could not place stay in their
 * open batches, for the next process. */
void store_destroy(struct store *);

/* Puts the batches that a dead process left open into the spool.  If 'intent'
 * is nonnull, '*ret_committed' says whether that commit had been made.
 * Returns null or a malloc()ed sentence. */
char *store_recover(struct store *, const struct receive_intent *intent,
                    bool *ret_committed);

/* Counts as spooled what was received or announced, and neither dropped nor is
 * open, once what a dead process had begun is done: a kill between a sync and
 * the count of it leaves no trace. */
void store_balance(struct store *);

/* Appends 'rec''s line.  Returns SLUICE_DROP_NONE, or why it could not. */
enum sluice_drop store_run(struct store *, struct record *rec);

/* Closes batches that are due at 'now', which is time_msec().  Returns the
 * milliseconds until the next is, at most 'max_ms'. */
int store_tick(struct store *, long long int now, int max_ms);

/* Closes all batches that have lines; if 'keep' is nonnull, only those of
 * tenants for which it returns false. */
void store_flush(struct store *, bool (*keep)(uint32_t tenant, void *aux),
                 void *aux);

/* Closes all batches that have lines, and ends each tenant's stream: this
 * process brings no more lines. */
void store_end(struct store *);

#endif /* proxy-vm/intake/s7-store.h */
