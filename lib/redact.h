/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes secrets out of a message before anything else sees it: literals found
 * by one Hyperscan pass lead to rules that are checked in a window around the
 * hit and confirmed by a validator; numbers and '@' are scanned for apart.
 * Time is linear in the message.
 *
 * In: one whole message as the guest sent it (all its fields: a secret may
 * stand in any, or across two).
 * Out: the message with each secret replaced by REDACT_MARK_PREFIX, the rule's
 * id, perhaps ':' and a pseudonym, and REDACT_MARK_SUFFIX; the key that led to
 * it stays, unless the rule drops the field.  The mark has none
 * of the bytes that RFC 5424 section 6.3.3 escapes, so structured data stays
 * well-formed.  What looks like the beginning of a mark in the message gets
 * "x-" behind its '<': only the redactor makes marks.
 * Runs in: sluice-intake. */
#ifndef SLUICE_REDACT_H
#define SLUICE_REDACT_H 1

#include "slice.h"

#define REDACT_MARK_PREFIX "<redacted:"
#define REDACT_MARK_SUFFIX ">"
#define REDACT_FORGED_PREFIX "<x-redacted:"

/* The cap: bytes of a message that are looked at, and the most that comes out,
 * as marks may be longer than what they replace; where a lower one is asked
 * for, that is the most that comes out. */
#define REDACT_CAP (64 * 1024)
#define REDACT_MIN_CAP 480      /* RFC 5424 section 6.1. */

/* Of a message beyond the cap, the last bytes before it are looked at but not
 * kept, so that a secret which the cap cuts in two is still known for one. */
#define REDACT_OVERLAP 512

struct redactor;

/* A text of rules, as redaction-rules.yaml. */
struct redact_text {
    const char *path;           /* Named in sentences only. */
    const char *data;
    size_t size;
};

struct redact_options {
    const struct redact_text *texts;    /* Added to the built-in rules, those
                                         * of later ones first. */
    size_t n_texts;
    uint32_t cap;               /* REDACT_MIN_CAP to REDACT_CAP, which 0 is. */
    bool enable_all;            /* Rules that are off by default, too. */
    bool has_key;               /* redactor_set_key() will be called, so that
                                 * rules may ask for pseudonyms. */
    struct redactor *share;     /* Null, or another whose memory it uses as
                                 * well: of the two results, only that of the
                                 * last call is valid. */
};

/* Compiles the built-in rules.  Returns 0 and the new redactor, which the
 * caller owns, in '*ret', or a positive errno: ENOTSUP on a processor without
 * SSSE3, which Hyperscan needs. */
int redactor_create(struct redactor **ret);

/* Likewise, with 'options'.  Returns null and '*ret', or a malloc()ed sentence
 * that names file and line where it can. */
char *redactor_create_with(const struct redact_options *options,
                           struct redactor **ret);
void redactor_destroy(struct redactor *);

/* Pseudonyms of the next messages are made with 'key', which it borrows.  The
 * same secret gets the same under the same key. */
enum { REDACT_KEY_SIZE = 32 };
void redactor_set_key(struct redactor *, const uint8_t key[REDACT_KEY_SIZE]);

/* Tries the examples of the rules that are not built in.  Returns null, or a
 * malloc()ed sentence about the first that fails. */
char *redactor_try_examples(struct redactor *);

size_t redactor_n_rules(const struct redactor *);
const char *redactor_rule_id(const struct redactor *, size_t rule);

/* What redacting one message did. */
struct redact_result {
    struct slice text;          /* The input itself if nothing was found, else
                                 * a buffer of the redactor's, valid until the
                                 * next call. */
    uint32_t n_redactions;      /* Marks put in, that of 'over_cap' too. */
    bool drop;                  /* A rule wants the message dropped. */
    struct slice receipt;       /* Which rules did it, and how often, as
                                 * "password:1,token:2"; valid as 'text'. */
    bool over_cap;              /* Input, or what would come out, was larger
                                 * than the cap, or looking at the rest
                                 * would have taken too long: it is masked
                                 * whole, with "over-cap" in place of a rule's
                                 * id.  So is all, should it ever be impossible
                                 * to search. */
};

/* Redacts 'message' into '*ret'.  'hits', if nonnull, has an element per rule,
 * to which the number of redactions by that rule is added. */
void redactor_run(struct redactor *, struct slice message, uint64_t *hits,
                  struct redact_result *ret);

#endif /* lib/redact.h */
