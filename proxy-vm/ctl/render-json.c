/* SPDX-License-Identifier: Apache-2.0
 *
 * Shows the answers of sluiced to programs: whatever is in the message, by
 * way of protobuf-c's own description of it.  See render-json.h. */
#include <config.h>

#include "render-json.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "util.h"
#include "uuid-bytes.h"

char *
format_id(ProtobufCBinaryData id)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    if (id.len == UUID_BYTES) {
        return uuid_bytes_format(id.data);
    }
    for (size_t i = 0; i < id.len; i++) {
        ds_put_format(&s, "%s%02x", id.len == 6 && i ? ":" : "", id.data[i]);
    }
    return ds_steal_cstr(&s);
}

static struct json *message_to_json(const ProtobufCMessage *);

static struct json *
integer_to_json(uint64_t n)
{
    return json_integer_create(MIN(n, INT64_MAX));
}

/* The value of 'field' at 'p'. */
static struct json *
value_to_json(const ProtobufCFieldDescriptor *field, const void *p)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return json_string_create(*(char *const *) p);
    case PROTOBUF_C_TYPE_BYTES:
        return json_string_create_nocopy(
            format_id(*(const ProtobufCBinaryData *) p));
    case PROTOBUF_C_TYPE_MESSAGE:
        return message_to_json(*(ProtobufCMessage *const *) p);
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean_create(*(const protobuf_c_boolean *) p);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return integer_to_json(*(const uint32_t *) p);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return integer_to_json(*(const uint64_t *) p);
    case PROTOBUF_C_TYPE_SFIXED64:
        return json_integer_create(*(const int64_t *) p);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_ENUM:
    default:
        /* control.proto has none of these. */
        OVS_NOT_REACHED();
    }
}

static struct json *
list_to_json(const ProtobufCMessage *message,
             const ProtobufCFieldDescriptor *field)
{
    const char *base = (const char *) message;
    size_t n = *(const size_t *) (base + field->quantifier_offset);
    void *const *entries = *(void *const *const *) (base + field->offset);
    struct json *list = json_array_create_empty();

    /* All lists of control.proto are lists of messages. */
    for (size_t i = 0; i < n; i++) {
        json_array_add(list, value_to_json(field, &entries[i]));
    }
    return list;
}

/* Adds the fields of 'message' to 'object'. */
static void
put_fields(struct json *object, const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;

    for (unsigned int i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        const void *p = (const char *) message + field->offset;
        json_object_put(object, field->name,
                        field->label == PROTOBUF_C_LABEL_REPEATED
                        ? list_to_json(message, field)
                        : value_to_json(field, p));
    }
}

static struct json *
message_to_json(const ProtobufCMessage *message)
{
    struct json *object = json_object_create();

    put_fields(object, message);
    return object;
}

/* Adds the lists that came along with the one of that name. */
static void
put_other_lists(struct json *object, const ProtobufCMessage *message,
                const char *name)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;

    for (unsigned int i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        if (field->label == PROTOBUF_C_LABEL_REPEATED
            && *(const size_t *) ((const char *) message
                                  + field->quantifier_offset)
            && strcmp(field->name, name)) {
            json_object_put(object, field->name, list_to_json(message, field));
        }
    }
}

static int json_flags = JSSF_PRETTY | JSSF_SORT;

void
render_json_in_lines(void)
{
    json_flags = JSSF_SORT;
}

void
render_json(const Sluice__Response *r, const char *name, struct ds *out)
{
    const ProtobufCFieldDescriptor *list
        = protobuf_c_message_descriptor_get_field_by_name(r->base.descriptor,
                                                          name);
    struct json *object = json_object_create();

    if (r->error[0]) {
        json_object_put_string(object, "error", r->error);
    } else if (list && list->label == PROTOBUF_C_LABEL_REPEATED) {
        json_object_put(object, name, list_to_json(&r->base, list));
        put_other_lists(object, &r->base, name);
        if (!strcmp(name, "ledger")) {
            json_object_put(object, "vms", list_to_json(
                &r->base, protobuf_c_message_descriptor_get_field_by_name(
                    r->base.descriptor, "vms")));
        }
        if (r->cut) {
            json_object_put(object, "cut", json_boolean_create(true));
        }
    } else if (r->status) {
        put_fields(object, &r->status->base);
    }
    json_to_ds(object, json_flags, out);
    ds_put_char(out, '\n');
    json_destroy(object);
}
