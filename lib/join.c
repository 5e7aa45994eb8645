/* SPDX-License-Identifier: Apache-2.0
 *
 * Joins the parts of frames; see join.h. */
#include "join.h"

#include <stdlib.h>

#include "siphash.h"
#include "tlv.h"

#define JOIN_MAGIC "SLUICEJN"
enum {
    JOIN_VERSION = 1,
    MAX_PARTS = 255,
    N_HEADS = 1024,
};

/* Whose frame it is, and which. */
struct key {
    uint8_t vtep[16];           /* With 'tenant', the sender. */
    uint32_t tenant;
    uint32_t ofp_port;
    uint8_t vm[16];
    uint32_t epoch;
    uint32_t number;
};

struct part {
    uint16_t size;
    uint16_t chunk;             /* First one's number + 1; 0: not there.
                                 * Written last. */
};

struct frame {
    struct key key;
    uint64_t serial;            /* The lower, the older. */
    int64_t first_ms;           /* When the first part came. */
    uint16_t id;
    uint16_t count;
    uint32_t header_size;
    uint8_t header[GENEVE_MAX_HEADER_SIZE];
    struct part parts[MAX_PARTS];
    uint32_t used;              /* Written last. */
};

/* What outlives the process. */
struct memory {
    char magic[8];
    uint32_t version;
    uint32_t size;
    struct frame frames[JOIN_MAX_FRAMES];
    uint16_t next[JOIN_MAX_CHUNKS]; /* Number + 1 of the next; 0: none. */
    uint8_t chunks[JOIN_MAX_CHUNKS][JOIN_CHUNK_SIZE];
};

/* What can be found out from that again, for each frame. */
struct info {
    uint64_t sender;            /* Hash of host and tenant. */
    uint32_t n_bytes;
    uint16_t n_chunks;
    uint16_t n_parts;
    uint16_t next;              /* Number + 1 of the next with the hash. */
    bool used;
};

struct join {
    struct memory *m;           /* Borrowed. */
    join_drop_cb *drop;
    void *aux;
    struct info infos[JOIN_MAX_FRAMES];
    uint16_t heads[N_HEADS];    /* Number + 1 of the first frame; 0: none. */
    uint16_t free[JOIN_MAX_CHUNKS]; /* Numbers of chunks. */
    uint32_t n_free;
    uint32_t n_frames;
    uint32_t n_parts;
    uint64_t next_serial;
    struct frame *out;          /* Handed out last; may be null. */
    uint8_t packet[GENEVE_MAX_HEADER_SIZE + JOIN_MAX_FRAME_SIZE];
};

/* Memory is written in program order; only the next process looks. */
static void
barrier(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static uint64_t
hash(const void *data, size_t size)
{
    static const uint8_t zeros[SIPHASH_KEY_SIZE];
    struct siphash h;
    uint64_t result;
    uint8_t out[sizeof result];

    siphash_init(&h, zeros);
    siphash_update(&h, data, size);
    siphash_final(&h, out);
    memcpy(&result, out, sizeof result);
    return result;
}

static uint64_t
sender_of(const struct key *key)
{
    return hash(key, offsetof(struct key, ofp_port));
}

static struct info *
info_of(struct join *j, const struct frame *f)
{
    return &j->infos[f - j->m->frames];
}

static uint16_t *
head_of(struct join *j, const struct key *key)
{
    return &j->heads[hash(key, sizeof *key) % N_HEADS];
}

static uint32_t
chunks_for(size_t size)
{
    return (size + JOIN_CHUNK_SIZE - 1) / JOIN_CHUNK_SIZE;
}

size_t
join_memory_size(void)
{
    return sizeof(struct memory);
}

/* Enters 'f', which is in use and has no parts that count, into the tables. */
static void
enter(struct join *j, struct frame *f)
{
    struct info *info = info_of(j, f);
    uint16_t *head = head_of(j, &f->key);

    *info = (struct info) {
        .sender = sender_of(&f->key),
        .next = *head,
        .used = true,
    };
    *head = f - j->m->frames + 1;
    j->n_frames++;
}

/* Counts part 'index' of 'f', which is there. */
static void
count_part(struct join *j, const struct frame *f, unsigned int index)
{
    struct info *info = info_of(j, f);

    info->n_parts++;
    info->n_bytes += f->parts[index].size;
    info->n_chunks += chunks_for(f->parts[index].size);
    j->n_parts++;
}

/* Forgets 'f'. */
static void
leave(struct join *j, struct frame *f)
{
    struct info *info = info_of(j, f);
    uint16_t number = f - j->m->frames + 1;
    uint16_t *link = head_of(j, &f->key);

    f->used = 0;
    barrier();

    while (*link != number) {
        link = &j->infos[*link - 1].next;
    }
    *link = info->next;
    for (unsigned int i = 0; i < f->count; i++) {
        for (uint16_t c = f->parts[i].chunk; c; c = j->m->next[c - 1]) {
            j->free[j->n_free++] = c - 1;
        }
    }
    j->n_parts -= info->n_parts;
    j->n_frames--;
    info->used = false;
    if (j->out == f) {
        j->out = NULL;
    }
}

static void
drop_frame(struct join *j, struct frame *f, enum sluice_drop drop)
{
    j->drop(j->aux, f->key.tenant, drop, info_of(j, f)->n_parts);
    leave(j, f);
}

/* Takes the chunks of part 'p' of an earlier process out of 'is_free'.
 * Returns false if they cannot be its chunks. */
static bool
recover_part(struct join *j, const struct part *p,
             bool is_free[JOIN_MAX_CHUNKS])
{
    uint32_t n = chunks_for(p->size);
    uint16_t c = p->chunk;

    for (uint32_t i = 0; i < n; i++) {
        if (!c || c > JOIN_MAX_CHUNKS || !is_free[c - 1]) {
            return false;
        }
        is_free[c - 1] = false;
        c = j->m->next[c - 1];
    }
    return n && !c;
}

/* Takes over frame 'f' of an earlier process.  Its memory was ours alone, but
 * nothing in here may trust it. */
static void
recover_frame(struct join *j, struct frame *f, bool is_free[JOIN_MAX_CHUNKS])
{
    if (f->count < 2 || f->count > MAX_PARTS
        || f->header_size < SLUICE_TLV_BASE_SIZE
        || f->header_size > sizeof f->header) {
        f->used = 0;
        return;
    }
    enter(j, f);
    for (unsigned int i = 0; i < f->count; i++) {
        struct part *p = &f->parts[i];

        if (p->chunk) {
            if (info_of(j, f)->n_bytes + p->size > JOIN_MAX_FRAME_SIZE
                || !recover_part(j, p, is_free)) {
                p->chunk = 0;
            } else {
                count_part(j, f, i);
            }
        }
    }
    if (f->serial >= j->next_serial) {
        j->next_serial = f->serial + 1;
    }
}

struct join *
join_create(void *memory, int64_t now_ms, join_drop_cb *drop, void *aux)
{
    struct join *j = calloc(1, sizeof *j);
    bool *is_free = malloc(JOIN_MAX_CHUNKS * sizeof *is_free);
    struct memory *m = memory;

    if (!j || !is_free) {
        free(j);
        free(is_free);
        return NULL;
    }
    j->m = m;
    j->drop = drop;
    j->aux = aux;
    if (memcmp(m->magic, JOIN_MAGIC, sizeof m->magic)
        || m->version != JOIN_VERSION || m->size != sizeof *m) {
        memset(m, 0, sizeof *m);
        m->version = JOIN_VERSION;
        m->size = sizeof *m;
        memcpy(m->magic, JOIN_MAGIC, sizeof m->magic);
    }

    memset(is_free, true, JOIN_MAX_CHUNKS * sizeof *is_free);
    for (size_t i = 0; i < JOIN_MAX_FRAMES; i++) {
        if (m->frames[i].used) {
            m->frames[i].first_ms = now_ms;
            recover_frame(j, &m->frames[i], is_free);
        }
    }
    for (size_t i = 0; i < JOIN_MAX_CHUNKS; i++) {
        if (is_free[i]) {
            j->free[j->n_free++] = i;
        }
    }
    free(is_free);
    return j;
}

void
join_destroy(struct join *j)
{
    free(j);
}

static struct frame *
find(struct join *j, const struct key *key)
{
    for (uint16_t n = *head_of(j, key); n; n = j->infos[n - 1].next) {
        struct frame *f = &j->m->frames[n - 1];
        if (!memcmp(&f->key, key, sizeof *key)) {
            return f;
        }
    }
    return NULL;
}

/* Stores how much the sender of 'key' has, and returns the oldest of its
 * frames but for 'keep', or null. */
static struct frame *
oldest_of_sender(struct join *j, const struct key *key,
                 const struct frame *keep, uint32_t *ret_n_frames,
                 uint32_t *ret_n_chunks)
{
    uint64_t sender = sender_of(key);
    struct frame *oldest = NULL;

    *ret_n_frames = *ret_n_chunks = 0;
    for (size_t i = 0; i < JOIN_MAX_FRAMES; i++) {
        struct frame *f = &j->m->frames[i];

        if (!j->infos[i].used || j->infos[i].sender != sender
            || memcmp(&f->key, key, offsetof(struct key, ofp_port))) {
            continue;
        }
        ++*ret_n_frames;
        *ret_n_chunks += j->infos[i].n_chunks;
        if (f != keep && (!oldest || f->serial < oldest->serial)) {
            oldest = f;
        }
    }
    return oldest;
}

/* Makes room for 'n_chunks' more of the frame 'keep' of the sender of 'key',
 * or of a new one if that is null.  Only frames of the same sender have to
 * give way. */
static bool
make_room(struct join *j, const struct key *key, const struct frame *keep,
          uint32_t n_chunks)
{
    for (;;) {
        uint32_t n_used = JOIN_MAX_CHUNKS - j->n_free + n_chunks;
        uint32_t n_frames = j->n_frames + !keep;

        if (n_frames <= JOIN_SENDER_FRAMES && n_used <= JOIN_SENDER_CHUNKS) {
            return true;        /* Even if all of it is this sender's. */
        }

        bool fits = n_frames <= JOIN_MAX_FRAMES && n_chunks <= j->n_free;
        struct frame *oldest = oldest_of_sender(j, key, keep, &n_frames,
                                                &n_used);
        if (fits && n_frames + !keep <= JOIN_SENDER_FRAMES
            && n_used + n_chunks <= JOIN_SENDER_CHUNKS) {
            return true;
        }
        if (!oldest) {
            return false;
        }
        drop_frame(j, oldest, SLUICE_DROP_SPLIT_ROOM);
    }
}

/* Returns a new frame; there is one. */
static struct frame *
make_frame(struct join *j, const struct key *key,
           const struct tunnel_meta *meta, const uint8_t *header,
           size_t header_size, int64_t now_ms)
{
    struct frame *f = j->m->frames;

    while (info_of(j, f)->used) {
        f++;
    }
    *f = (struct frame) {
        .key = *key,
        .serial = j->next_serial++,
        .first_ms = now_ms,
        .id = meta->split_id,
        .count = meta->split_count,
        .header_size = header_size,
    };
    memcpy(f->header, header, header_size);
    barrier();
    f->used = 1;
    enter(j, f);
    return f;
}

/* Keeps 'bytes' as part 'index' of 'f'; there is room. */
static void
keep_part(struct join *j, struct frame *f, unsigned int index,
          struct slice bytes)
{
    struct part *p = &f->parts[index];
    uint16_t first = 0;
    uint16_t *link = &first;

    p->size = bytes.size;
    for (size_t ofs = 0; ofs < bytes.size; ofs += JOIN_CHUNK_SIZE) {
        uint16_t c = j->free[--j->n_free];
        size_t n = bytes.size - ofs;

        memcpy(j->m->chunks[c], bytes.data + ofs,
               n < JOIN_CHUNK_SIZE ? n : JOIN_CHUNK_SIZE);
        *link = c + 1;
        link = &j->m->next[c];
        *link = 0;
    }
    barrier();
    p->chunk = first;
    count_part(j, f, index);
}

/* Returns the packet that 'f', which is whole, makes. */
static struct slice
assemble(struct join *j, const struct frame *f)
{
    uint8_t *p = j->packet;

    memcpy(p, f->header, f->header_size);
    p += f->header_size;
    for (unsigned int i = 0; i < f->count; i++) {
        size_t left = f->parts[i].size;

        for (uint16_t c = f->parts[i].chunk; c; c = j->m->next[c - 1]) {
            size_t n = left < JOIN_CHUNK_SIZE ? left : JOIN_CHUNK_SIZE;
            memcpy(p, j->m->chunks[c - 1], n);
            p += n;
            left -= n;
        }
    }
    return slice_of(j->packet, p - j->packet);
}

/* Returns the key of a part, without any byte that is not set. */
static struct key
key_of(const uint8_t vtep[16], const struct tunnel_meta *meta)
{
    struct key key = {
        .tenant = meta->vni,
        .ofp_port = meta->ofp_port,
        .epoch = meta->seq_epoch,
        .number = meta->seq_number,
    };

    memcpy(key.vtep, vtep, sizeof key.vtep);
    memcpy(key.vm, meta->vm, sizeof key.vm);
    return key;
}

enum sluice_drop
join_add(struct join *j, const uint8_t vtep[16], struct slice part,
         const struct tunnel_meta *meta, struct slice bytes,
         uint16_t option_class, int64_t now_ms, bool again,
         struct slice *ret_packet)
{
    uint8_t header[GENEVE_MAX_HEADER_SIZE];

    *ret_packet = slice_of(NULL, 0);
    if (!(meta->has & TUNNEL_HAS_SPLIT) || !(meta->has & TUNNEL_HAS_SEQUENCE)
        || !bytes.size || bytes.size > UINT16_MAX) {
        return SLUICE_DROP_SPLIT_MALFORMED;
    }

    size_t header_size = geneve_whole_header(part, option_class, header);
    struct key key = key_of(vtep, meta);
    struct frame *f = find(j, &key);
    if (f && (f->id != meta->split_id || f->count != meta->split_count
              || f->header_size != header_size
              || memcmp(f->header, header, header_size))) {
        return SLUICE_DROP_SPLIT_CONFLICT;
    }
    if (!f || !f->parts[meta->split_index].chunk) {
        uint32_t n_bytes = (f ? info_of(j, f)->n_bytes : 0) + bytes.size;

        if (n_bytes > JOIN_MAX_FRAME_SIZE
            || !make_room(j, &key, f, chunks_for(bytes.size))) {
            return SLUICE_DROP_SPLIT_ROOM;
        }
        if (!f) {
            f = make_frame(j, &key, meta, header, header_size, now_ms);
        }
        keep_part(j, f, meta->split_index, bytes);
    } else if (!again) {
        return SLUICE_DROP_SPLIT_DUPLICATE;
    }

    if (info_of(j, f)->n_parts == f->count) {
        j->out = f;
        *ret_packet = assemble(j, f);
    }
    return SLUICE_DROP_NONE;
}

void
join_release(struct join *j)
{
    if (j->out) {
        leave(j, j->out);
    }
}

void
join_forget_whole(struct join *j, enum sluice_drop drop)
{
    for (size_t i = 0; i < JOIN_MAX_FRAMES; i++) {
        struct frame *f = &j->m->frames[i];
        if (j->infos[i].used && j->infos[i].n_parts == f->count) {
            if (drop) {
                j->drop(j->aux, f->key.tenant, drop, f->count - 1);
            }
            leave(j, f);
        }
    }
}

void
join_expire(struct join *j, int64_t now_ms)
{
    if (!j->n_frames) {
        return;
    }
    for (size_t i = 0; i < JOIN_MAX_FRAMES; i++) {
        struct frame *f = &j->m->frames[i];
        int64_t age = now_ms - f->first_ms;
        if (j->infos[i].used && (age < 0 || age >= JOIN_MAX_AGE_MS)) {
            drop_frame(j, f, SLUICE_DROP_SPLIT_INCOMPLETE);
        }
    }
}

uint32_t
join_n_parts(const struct join *j)
{
    return j->n_parts;
}
