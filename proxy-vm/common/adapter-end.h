/* SPDX-License-Identifier: Apache-2.0
 *
 * An adapter's end of the socket to sluice-ship, and how an adapter ends: with
 * a sentence, and in time.
 *
 * In: what ship says.  Out: requests one by one; replies to ship.
 * Runs in: sluice-relp, sluice-kafka. */
#ifndef SLUICE_ADAPTER_END_H
#define SLUICE_ADAPTER_END_H 1

#include "adapter-frame.h"
#include "adapter-marks.h"

struct adapter_end {
    uint8_t *buf;               /* What came and was not taken: */
    size_t head, tail, cap;     /* from 'head' up to 'tail'. */
    bool eof;                   /* Ship has nothing more to say. */
};

/* Takes descriptor 3.  Ends the program, with a sentence on standard error, if
 * that is not a socket. */
void adapter_end_init(struct adapter_end *);

/* Reads what is there, without waiting.  At the end of input sets 'eof'. */
void adapter_end_read(struct adapter_end *);

/* Takes the next request, which is valid until adapter_end_read().  Returns
 * false if none is there as a whole. */
bool adapter_end_next(struct adapter_end *, struct adapter_request *ret);

/* Tell ship: that the session stands; which marks are confirmed; that more was
 * acknowledged, which it hears once in a second. */
void adapter_end_open(void);
void adapter_end_confirm(struct adapter_marks *);
void adapter_end_progress(void);

/* Tells ship the sentence, in which what is not printable becomes '?', and
 * ends the program. */
void adapter_end_fail(const char *format, ...)
    __attribute__((noreturn, format(printf, 1, 2)));

/* Should adapter_deadline_end() not come within 'ms', ends the program with
 * this sentence, wherever it is.  A deadline takes the place of the one
 * before. */
void adapter_deadline_begin(unsigned int ms, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void adapter_deadline_end(void);

/* Milliseconds on a clock that nobody sets. */
int64_t adapter_now_ms(void);

#endif /* proxy-vm/common/adapter-end.h */
