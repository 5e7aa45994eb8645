/* SPDX-License-Identifier: Apache-2.0
 *
 * What a peer may send to sluiced: the stream is cut into frames, and each is
 * unpacked.  The first byte says in how large pieces the stream comes. */
#include <config.h>

#include <stdlib.h>

#include "control-frame.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* protobuf-c writes some fields that it does not know otherwise than they came,
 * for instance number 0. */
static bool
is_known(const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    bool known = !message->n_unknown_fields;

    for (unsigned int i = 0; i < type->n_fields && known; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if (field->type == PROTOBUF_C_TYPE_MESSAGE
            && field->label != PROTOBUF_C_LABEL_REPEATED) {
            const ProtobufCMessage *const *inner = ALIGNED_CAST(
                const ProtobufCMessage *const *,
                (const char *) message + field->offset);
            known = !*inner || is_known(*inner);
        }
    }
    return known;
}

static void
take_message(struct slice message)
{
    Sluice__Request *request = control_unpack_request(message);

    if (request && is_known(&request->base)) {
        size_t size = sluice__request__get_packed_size(request);
        uint8_t *packed = xmalloc(size + 1);
        ovs_assert(sluice__request__pack(request, packed) == size);
        Sluice__Request *again = control_unpack_request(slice_of(packed,
                                                                 size));
        ovs_assert(again && again->verb == request->verb);
        control_free_request(again);
        free(packed);
    }
    if (request) {
        control_free_request(request);
    }

    /* sluicectl reads the same frames. */
    Sluice__Response *response = control_unpack_response(message);
    if (response) {
        control_free_response(response);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct control_reader reader;
    enum control_status status = CONTROL_MORE;

    if (!size) {
        return 0;
    }
    size_t step = data[0] + 1;
    struct slice rest = slice_of(data + 1, size - 1);

    control_reader_init(&reader);
    while (rest.size && status != CONTROL_TOO_LARGE) {
        struct slice piece = slice_of(rest.data, MIN(step, rest.size));
        rest.data += piece.size;
        rest.size -= piece.size;
        do {
            size_t before = piece.size;
            status = control_reader_push(&reader, &piece);
            if (status == CONTROL_READY) {
                ovs_assert(control_reader_message(&reader).size
                           <= CONTROL_FRAME_MAX);
                take_message(control_reader_message(&reader));
                control_reader_next(&reader);
            }
            ovs_assert(status != CONTROL_MORE || !piece.size);
            ovs_assert(piece.size < before || status != CONTROL_READY);
        } while (piece.size && status == CONTROL_READY);
    }
    control_reader_destroy(&reader);
    return 0;
}
