/* SPDX-License-Identifier: Apache-2.0
 *
 * The control channel of memif; see memif.h.  All numbers in messages are
 * unaligned and in the host's byte order. */
#include "memif.h"

#include "cursor.h"

enum {
    MEMIF_VERSION = 0x0200,
    NAME_SIZE = 32,
    SECRET_SIZE = 24,
    WHY_SIZE = 96,
};

enum message_type {
    TYPE_ACK = 1,
    TYPE_HELLO,
    TYPE_INIT,
    TYPE_ADD_REGION,
    TYPE_ADD_RING,
    TYPE_CONNECT,
    TYPE_CONNECTED,
    TYPE_DISCONNECT,
};

enum { RING_TO_SERVER = 1 };    /* Flag of ADD_RING. */

void
memif_limits_init(struct memif_limits *limits)
{
    *limits = (struct memif_limits) {
        /* One more than we take: it is to be refused. */
        .n_to = MEMIF_MAX_TO + 1,
        .n_from = MEMIF_MAX_FROM + 1,
    };
}

void
memif_session_init(struct memif_session *s, const struct memif_limits *limits,
                   uint8_t log2_from)
{
    *s = (struct memif_session) {
        .limits = *limits,
        .layout = { .log2_from = log2_from },
    };
}

/* --- Writing ------------------------------------------------------------- */

struct pen {
    uint8_t *p;
};

static void
pen_put(struct pen *pen, const void *data, size_t size)
{
    memcpy(pen->p, data, size);
    pen->p += size;
}

static void
pen_u16(struct pen *pen, uint16_t value)
{
    pen_put(pen, &value, sizeof value);
}

static void
pen_u32(struct pen *pen, uint32_t value)
{
    pen_put(pen, &value, sizeof value);
}

/* Writes 'text' and zeros, 'size' bytes in all, the last of which is zero. */
static void
pen_text(struct pen *pen, const char *text, size_t size)
{
    size_t n = strlen(text);

    n = n < size - 1 ? n : size - 1;
    memcpy(pen->p, text, n);
    pen->p += size;             /* All was zero. */
}

static struct pen
begin(uint8_t message[MEMIF_MESSAGE_SIZE], enum message_type type)
{
    struct pen pen = { message };

    memset(message, 0, MEMIF_MESSAGE_SIZE);
    pen_u16(&pen, type);
    return pen;
}

static enum memif_action
send_init(struct memif_session *s)
{
    static const uint8_t mode_and_secret[1 + SECRET_SIZE]; /* Ethernet. */
    struct pen pen = begin(s->message, TYPE_INIT);

    pen_u16(&pen, MEMIF_VERSION);
    pen_u32(&pen, 0);           /* Interface. */
    pen_put(&pen, mode_and_secret, sizeof mode_and_secret);
    pen_text(&pen, "sluice-intake", NAME_SIZE);
    s->phase = MEMIF_AWAITS_INIT_ACK;
    return MEMIF_SEND;
}

static enum memif_action
send_region(struct memif_session *s)
{
    struct pen pen = begin(s->message, TYPE_ADD_REGION);
    uint64_t size = memif_size(&s->layout);

    pen_u16(&pen, 0);           /* Its number. */
    pen_put(&pen, &size, sizeof size);
    s->phase = MEMIF_AWAITS_REGION_ACK;
    return MEMIF_SEND_REGION;
}

/* Where ring 'ring' is, those to the server being the first. */
uint32_t memif_ring_offset(const struct memif_layout *, unsigned int ring);

static enum memif_action
send_ring(struct memif_session *s, uint16_t ring)
{
    struct pen pen = begin(s->message, TYPE_ADD_RING);
    bool to = ring < s->layout.n_to;
    uint8_t log2 = to ? MEMIF_LOG2_TO : s->layout.log2_from;

    pen_u16(&pen, to ? RING_TO_SERVER : 0);
    pen_u16(&pen, to ? ring : ring - s->layout.n_to);
    pen_u16(&pen, 0);           /* Region. */
    pen_u32(&pen, memif_ring_offset(&s->layout, ring));
    pen_put(&pen, &log2, sizeof log2);
    s->ring = ring;
    s->phase = MEMIF_AWAITS_RING_ACK;
    return MEMIF_SEND_RING;
}

static enum memif_action
send_connect(struct memif_session *s)
{
    struct pen pen = begin(s->message, TYPE_CONNECT);

    pen_text(&pen, "sluice", NAME_SIZE);
    s->phase = MEMIF_AWAITS_CONNECTED;
    return MEMIF_SEND_CONNECT;
}

void
memif_put_disconnect(uint8_t ret[MEMIF_MESSAGE_SIZE], const char *why)
{
    struct pen pen = begin(ret, TYPE_DISCONNECT);

    pen_u32(&pen, 0);           /* Code. */
    pen_text(&pen, why, WHY_SIZE);
}

/* --- Reading ------------------------------------------------------------- */

static uint16_t
take_u16(struct cursor *c)
{
    uint16_t value;

    cursor_copy(c, &value, sizeof value);
    return value;
}

static enum memif_action
fail(struct memif_session *s, const char *why)
{
    size_t n = strlen(why);

    n = n < sizeof s->why - 1 ? n : sizeof s->why - 1;
    memcpy(s->why, why, n);
    s->why[n] = '\0';
    return MEMIF_FAIL;
}

static enum memif_action
take_hello(struct memif_session *s, struct cursor *c)
{
    cursor_take(c, NAME_SIZE);
    uint16_t min = take_u16(c);
    uint16_t max = take_u16(c);
    cursor_take(c, 2);          /* Greatest number of a region, */
    uint16_t max_from = take_u16(c); /* and of rings, */
    uint16_t max_to = take_u16(c);
    uint8_t max_log2 = cursor_be(c, 1);

    if (min > MEMIF_VERSION || max < MEMIF_VERSION) {
        return fail(s, "it does not speak version 2.0");
    }
    if (max_log2 < MEMIF_LOG2_MIN) {
        return fail(s, "it takes no ring of 256 buffers");
    }
    if (max_log2 < s->layout.log2_from) {
        s->layout.log2_from = max_log2;
    }
    /* What it says is its program's limit, not the port's. */
    if (max_to < s->limits.n_to) {
        s->limits.n_to = max_to + 1;
    }
    if (max_from < s->limits.n_from) {
        s->limits.n_from = max_from + 1;
    }
    s->layout.n_to = s->limits.n_to;
    s->layout.n_from = s->limits.n_from;
    return send_init(s);
}

/* The server has taken all rings that were offered. */
static enum memif_action
all_rings_taken(struct memif_session *s)
{
    if (s->layout.n_to > MEMIF_MAX_TO || s->layout.n_from > MEMIF_MAX_FROM) {
        return fail(s, "its port has more queues than we take");
    }
    return send_connect(s);
}

/* Takes the refusal of a ring. */
static enum memif_action
take_refusal(struct memif_session *s)
{
    struct memif_limits *limits = &s->limits;

    if (s->ring < s->layout.n_to) {
        if (limits->knows_to || !s->ring) {
            return MEMIF_FAIL;
        }
        limits->n_to = s->ring;
        limits->knows_to = true;
    } else {
        if (limits->knows_from || s->ring == s->layout.n_to) {
            return MEMIF_FAIL;
        }
        limits->n_from = s->ring - s->layout.n_to;
        limits->knows_from = true;
    }
    return MEMIF_RETRY;
}

static enum memif_action
take_disconnect(struct memif_session *s, struct cursor *c)
{
    cursor_take(c, 4);          /* Code. */
    struct slice why = cursor_take(c, sizeof s->why - 1);
    size_t n = 0;

    for (; n < why.size && why.data[n]; n++) {
        uint8_t byte = why.data[n];
        s->why[n] = byte < ' ' || byte > '~' ? '?' : byte;
    }
    s->why[n] = '\0';
    return (s->phase == MEMIF_AWAITS_RING_ACK ? take_refusal(s)
            : MEMIF_FAIL);
}

static enum memif_action
take_ack(struct memif_session *s)
{
    switch (s->phase) {
    case MEMIF_AWAITS_INIT_ACK:
        s->phase = MEMIF_PREPARES;
        return MEMIF_PREPARE;
    case MEMIF_AWAITS_REGION_ACK:
        return send_ring(s, 0);
    case MEMIF_AWAITS_RING_ACK:
        return (s->ring + 1 < s->layout.n_to + s->layout.n_from
                ? send_ring(s, s->ring + 1) : all_rings_taken(s));
    case MEMIF_AWAITS_HELLO:
    case MEMIF_PREPARES:
    case MEMIF_AWAITS_CONNECTED:
    case MEMIF_IS_UP:
    default:
        return fail(s, "it confirmed what nobody had asked");
    }
}

enum memif_action
memif_prepared(struct memif_session *s)
{
    return send_region(s);
}

enum memif_action
memif_receive(struct memif_session *s, struct slice message)
{
    struct cursor c = cursor_of(message);
    uint16_t type = take_u16(&c);

    if (!message.size) {
        return fail(s, "it closed the connection");
    }
    if (message.size != MEMIF_MESSAGE_SIZE) {
        return fail(s, "it sent a message of another size than all have");
    }
    switch (type) {
    case TYPE_ACK:
        return take_ack(s);
    case TYPE_HELLO:
        if (s->phase == MEMIF_AWAITS_HELLO) {
            return take_hello(s, &c);
        }
        break;
    case TYPE_CONNECTED:
        if (s->phase == MEMIF_AWAITS_CONNECTED) {
            s->phase = MEMIF_IS_UP;
            return MEMIF_UP;
        }
        break;
    case TYPE_DISCONNECT:
        return take_disconnect(s, &c);
    default:
        break;
    }
    return fail(s, "it sent a message that is none or is out of turn");
}
