/* SPDX-License-Identifier: Apache-2.0
 *
 * Framing of the control socket.  See control-frame.h. */
#include <config.h>

#include "control-frame.h"

#include <stdlib.h>

#include "util.h"

enum {
    FIRST_ALLOCATION = 512,
    REQUEST_MEMORY = 64 * 1024,
    RESPONSE_MEMORY = 16 * 1024 * 1024,
};

void
control_reader_init(struct control_reader *reader)
{
    *reader = (struct control_reader) { .n_header = 0 };
}

void
control_reader_destroy(struct control_reader *reader)
{
    free(reader->body);
}

static size_t
announced_size(const struct control_reader *reader)
{
    const uint8_t *h = reader->header;

    return (((size_t) h[0] << 24) | ((size_t) h[1] << 16)
            | ((size_t) h[2] << 8) | h[3]);
}

/* Moves up to 'max' bytes from the front of 'in' to 'dst'. */
static size_t
take(struct slice *in, uint8_t *dst, size_t max)
{
    size_t n = MIN(in->size, max);

    if (n) {
        memcpy(dst, in->data, n);
        in->data += n;
        in->size -= n;
    }
    return n;
}

enum control_status
control_reader_push(struct control_reader *reader, struct slice *in)
{
    reader->n_header += take(in, &reader->header[reader->n_header],
                             CONTROL_FRAME_HEADER - reader->n_header);
    if (reader->n_header < CONTROL_FRAME_HEADER) {
        return CONTROL_MORE;
    }

    size_t size = announced_size(reader);
    if (size > CONTROL_FRAME_MAX) {
        return CONTROL_TOO_LARGE;
    }
    while (reader->n_body < size && in->size) {
        if (reader->n_body >= reader->allocated) {
            reader->allocated = MIN(size, MAX(FIRST_ALLOCATION,
                                              2 * reader->allocated));
            reader->body = xrealloc(reader->body, reader->allocated);
        }
        reader->n_body += take(in, &reader->body[reader->n_body],
                               MIN(size, reader->allocated) - reader->n_body);
    }
    return reader->n_body < size ? CONTROL_MORE : CONTROL_READY;
}

bool
control_reader_is_empty(const struct control_reader *reader)
{
    return !reader->n_header;
}

struct slice
control_reader_message(const struct control_reader *reader)
{
    return slice_of(reader->body, reader->n_body);
}

void
control_reader_next(struct control_reader *reader)
{
    reader->n_header = 0;
    reader->n_body = 0;
}

void
control_put_header(uint8_t header[CONTROL_FRAME_HEADER], size_t size)
{
    header[0] = size >> 24;
    header[1] = size >> 16;
    header[2] = size >> 8;
    header[3] = size;
}

/* Unpacking: protobuf-c allocates for each field that it meets, known or not,
 * so a message gets a budget. */

static void *
bounded_alloc(void *budget_, size_t size)
{
    size_t *budget = budget_;

    if (size > *budget) {
        return NULL;
    }
    *budget -= size;
    return malloc(size);
}

static void
bounded_free(void *budget OVS_UNUSED, void *p)
{
    free(p);
}

static void *
unpack(const ProtobufCMessageDescriptor *descriptor, struct slice message,
       size_t budget)
{
    ProtobufCAllocator allocator = {
        .alloc = bounded_alloc,
        .free = bounded_free,
        .allocator_data = &budget,
    };
    static const uint8_t nothing[1];

    return protobuf_c_message_unpack(descriptor, &allocator, message.size,
                                     message.data ? message.data : nothing);
}

Sluice__Request *
control_unpack_request(struct slice message)
{
    return unpack(&sluice__request__descriptor, message, REQUEST_MEMORY);
}

Sluice__Response *
control_unpack_response(struct slice message)
{
    return unpack(&sluice__response__descriptor, message, RESPONSE_MEMORY);
}

void
control_free_request(Sluice__Request *request)
{
    /* Null: plain free(), which is what bounded_free() does. */
    sluice__request__free_unpacked(request, NULL);
}

void
control_free_response(Sluice__Response *response)
{
    sluice__response__free_unpacked(response, NULL);
}
