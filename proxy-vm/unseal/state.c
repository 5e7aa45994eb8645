/* SPDX-License-Identifier: Apache-2.0
 *
 * What sluice-unseal remembers.  See state.h. */
#include <config.h>

#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

#include "cursor.h"

#define STATE_MAGIC "SLUUNSL\1"

struct state_header {
    char magic[8];
    uint32_t tenant;
    uint32_t reserved;
    uint8_t recipient[32];
};

struct state_record {
    uint8_t checksum[32];       /* BLAKE2b-256 of the rest and 'index'. */
    uint64_t sequence;          /* From 1; zero: never written. */
    struct sink_mark mark;
    struct chain_stream stream;
};
BUILD_ASSERT_DECL(sizeof(struct state_record) <= STATE_RECORD_SIZE);
BUILD_ASSERT_DECL(sizeof(struct state_record)
                  == 40 + 24 + sizeof(struct chain_stream));

struct state {
    int fd;                     /* Locked. */
    uint32_t tenant;
    struct state_image image;
};

/* Computes what stands in 'checksum' of the record for stream 'index'. */
static void
compute_checksum(const struct state_record *r, uint32_t index,
                 uint8_t checksum[32])
{
    crypto_generichash_state hash;
    size_t offset = offsetof(struct state_record, sequence);

    crypto_generichash_init(&hash, NULL, 0, 32);
    crypto_generichash_update(&hash, (const uint8_t *) &index, sizeof index);
    crypto_generichash_update(&hash, (const uint8_t *) r + offset,
                              sizeof *r - offset);
    crypto_generichash_final(&hash, checksum, 32);
}

/* Returns true if 'r' was written whole. */
static bool
is_whole(const struct state_record *r, uint32_t index)
{
    uint8_t checksum[32];

    compute_checksum(r, index, checksum);
    return (r->sequence && !memcmp(r->checksum, checksum, sizeof checksum)
            && chain_stream_is_valid(&r->stream));
}

static bool
is_blank(struct slice record)
{
    return sodium_is_zero(record.data, record.size);
}

/* Reads the two records of stream 'i'.  Returns false if something was there
 * and neither can be used. */
static bool
read_stream(const struct slice records[2], unsigned int i,
            struct state_image *image)
{
    struct state_record r;
    uint64_t best = 0;
    bool blank = true;

    for (int copy = 0; copy < 2; copy++) {
        struct cursor c = cursor_of(records[copy]);

        cursor_copy(&c, &r, sizeof r);
        blank &= is_blank(records[copy]);
        if (c.failed || !is_whole(&r, i) || r.sequence <= best) {
            continue;
        }
        best = r.sequence;
        image->copies[i] = copy;
        image->streams[i] = r.stream;
        if (best > image->sequence) {
            image->sequence = best;
            image->last = i;
            image->mark = r.mark;
        }
    }
    return best || blank;
}

const char *
state_read_image(struct slice file, uint32_t tenant,
                 const uint8_t recipient[32], struct state_image *ret)
{
    struct cursor c = cursor_of(file);
    struct cursor head = cursor_of(cursor_take(&c, STATE_RECORD_SIZE));
    struct cursor copies[2];
    struct state_header h;

    for (int copy = 0; copy < 2; copy++) {
        copies[copy] = cursor_of(cursor_take(&c, (size_t) STATE_RECORD_SIZE
                                             * CHAIN_STREAMS));
    }
    cursor_copy(&head, &h, sizeof h);
    if (c.failed || head.failed || c.left) {
        return "it has another size than such a file has";
    } else if (memcmp(h.magic, STATE_MAGIC, sizeof h.magic)) {
        return "it is no such file, or one of another version";
    } else if (h.tenant != tenant) {
        return "it is of another tenant";
    } else if (memcmp(h.recipient, recipient, sizeof h.recipient)) {
        return "it is of batches sealed to another key";
    }

    memset(ret, 0, sizeof *ret);
    for (unsigned int i = 0; i < CHAIN_STREAMS; i++) {
        const struct slice records[2] = {
            cursor_take(&copies[0], STATE_RECORD_SIZE),
            cursor_take(&copies[1], STATE_RECORD_SIZE),
        };
        if (!read_stream(records, i, ret)) {
            return "it is damaged";
        }
    }
    return NULL;
}

static int
write_all(int fd, const uint8_t *data, size_t size, off_t offset)
{
    while (size) {
        ssize_t n = pwrite(fd, data, size, offset);
        if (n > 0) {
            data += n;
            size -= n;
            offset += n;
        } else if (n < 0 && errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

/* Makes the file 'name' in 'dir_fd', which is not there.  It appears whole. */
static int
make_file(int dir_fd, const char *name, uint32_t tenant,
          const uint8_t recipient[32])
{
    struct state_header h = { .magic = STATE_MAGIC, .tenant = tenant };
    uint8_t *blank = xzalloc(STATE_FILE_SIZE);
    char *temp = xasprintf("%s.new", name);
    int error = 0;

    memcpy(h.recipient, recipient, sizeof h.recipient);
    memcpy(blank, &h, sizeof h);
    int fd = openat(dir_fd, temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW
                    | O_CLOEXEC, 0600);
    if (fd < 0) {
        error = errno;
    } else {
        error = write_all(fd, blank, STATE_FILE_SIZE, 0);
        if (!error && (fsync(fd) || renameat(dir_fd, temp, dir_fd, name)
                       || fsync(dir_fd))) {
            error = errno;
        }
        close(fd);
    }
    free(temp);
    free(blank);
    return error;
}

/* Opens, locks and reads the file. */
static char *
open_file(struct state *s, int dir_fd, const char *dir, const char *name,
          const uint8_t recipient[32])
{
    uint8_t *data = xmalloc(STATE_FILE_SIZE + 1);
    char *sentence = NULL;

    s->fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (s->fd < 0 && errno == ENOENT) {
        int error = make_file(dir_fd, name, s->tenant, recipient);
        if (error) {
            sentence = xasprintf("can't make %s/%s: %s", dir, name,
                                 ovs_strerror(error));
            goto out;
        }
        s->fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    }
    ssize_t n = -1;
    if (s->fd >= 0 && flock(s->fd, LOCK_EX | LOCK_NB)
        && errno == EWOULDBLOCK) {
        sentence = xasprintf("%s/%s is in use by another process", dir, name);
    } else if (s->fd < 0
               || (n = pread(s->fd, data, STATE_FILE_SIZE + 1, 0)) < 0) {
        sentence = xasprintf("can't read %s/%s: %s", dir, name,
                             ovs_strerror(errno));
    } else {
        const char *why = state_read_image(slice_of(data, n), s->tenant,
                                           recipient, &s->image);
        if (why) {
            sentence = xasprintf("can't use %s/%s: %s; what it remembers "
                                 "keeps batches from being taken twice, so "
                                 "move it away only if that may be",
                                 dir, name, why);
        }
    }

out:
    free(data);
    return sentence;
}

char *
state_open(const char *dir, uint32_t tenant, const uint8_t recipient[32],
           struct state **ret)
{
    struct state *s = xzalloc(sizeof *s);
    char *name = xasprintf("%"PRIu32".state", tenant);
    char *sentence;

    s->fd = -1;
    s->tenant = tenant;
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) {
        sentence = xasprintf("can't open the directory %s: %s", dir,
                             ovs_strerror(errno));
    } else {
        sentence = open_file(s, dir_fd, dir, name, recipient);
        close(dir_fd);
    }
    free(name);
    if (sentence) {
        state_close(s);
    } else {
        *ret = s;
    }
    return sentence;
}

void
state_close(struct state *s)
{
    if (s) {
        if (s->fd >= 0) {
            close(s->fd);
        }
        free(s);
    }
}

void
state_get(const struct state *s, struct chain *chain, struct sink_mark *mark)
{
    chain_init(chain, s->tenant);
    memcpy(chain->streams, s->image.streams, sizeof chain->streams);
    for (int i = 0; i < CHAIN_STREAMS; i++) {
        chain->clock = MAX(chain->clock, chain->streams[i].used);
    }
    *mark = s->image.mark;
}

/* Writes a record for stream 'i' over the older of its two. */
static int
write_record(struct state *s, const struct chain_stream *stream,
             unsigned int i, const struct sink_mark *mark)
{
    struct state_record r = {
        .sequence = s->image.sequence + 1,
        .mark = *mark,
        .stream = *stream,
    };
    unsigned int copy = !s->image.copies[i];
    off_t offset = (off_t) STATE_RECORD_SIZE * (1 + copy * CHAIN_STREAMS + i);

    compute_checksum(&r, i, r.checksum);
    int error = write_all(s->fd, (const uint8_t *) &r, sizeof r, offset);
    if (!error && fdatasync(s->fd)) {
        error = errno;
    }
    if (error) {
        return error;
    }
    s->image.copies[i] = copy;
    s->image.sequence++;
    s->image.last = i;
    s->image.mark = *mark;
    s->image.streams[i] = *stream;
    return 0;
}

int
state_save(struct state *s, const struct chain *chain, unsigned int i,
           const struct sink_mark *mark)
{
    return write_record(s, &chain->streams[i], i, mark);
}

int
state_save_mark(struct state *s, const struct sink_mark *mark)
{
    if (!memcmp(&s->image.mark, mark, sizeof *mark)) {
        return 0;
    }
    unsigned int i = s->image.last;
    return write_record(s, &s->image.streams[i], i, mark);
}
