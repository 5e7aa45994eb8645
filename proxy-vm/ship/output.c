/* SPDX-License-Identifier: Apache-2.0
 *
 * What all outputs have in common.  See output.h. */
#include <config.h>

#include "output.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "timeval.h"
#include "util.h"

static const struct output_class *const classes[] = {
#define OUTPUT_CLASS(NAME) &output_##NAME##_class,
#include "output-classes.def"
#undef OUTPUT_CLASS
};

void
output_options_uninit(struct output_options *o)
{
    free(o->name);
    free(o->type);
    free(o->server);
    free(o->ca_file);
    free(o->certificate_file);
    free(o->key_file);
    free(o->server_name);
    free(o->recipient_file);
    free(o->path);
    free(o->topic);
}

char *
output_create(const struct output_options *o, struct output **ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
        if (!strcmp(classes[i]->type, o->type)) {
            return classes[i]->create(o, ret);
        }
    }
    return xasprintf("%s is not a type of destination that this program "
                     "knows", o->type);
}

void
output_destroy(struct output *output)
{
    if (output) {
        output_close(output);
        output->class->destroy(output);
    }
}

void
output_open(struct output *output)
{
    output_close(output);
    output->sent = output->delivered = 0;
    output->has_receipt = false;
    output->state = OUTPUT_OPENING;
    output->class->open(output);
}

void
output_run(struct output *output)
{
    if (output->state != OUTPUT_CLOSED) {
        output->class->run(output);
    }
}

void
output_wait(const struct output *output, bool want_send)
{
    if (output->state != OUTPUT_CLOSED) {
        output->class->wait(output, want_send
                            && output->state == OUTPUT_OPEN);
    }
}

size_t
output_send(struct output *output, const uint8_t *data, size_t size)
{
    return (output->state == OUTPUT_OPEN
            ? output->class->send(output, data, size) : 0);
}

void
output_mark(struct output *output)
{
    if (output->state == OUTPUT_OPEN && output->class->mark) {
        output->class->mark(output);
    }
}

void
output_close(struct output *output)
{
    if (output->state != OUTPUT_CLOSED) {
        output->class->close(output);
        output->state = OUTPUT_CLOSED;
    }
}

void
output_init(struct output *output, const struct output_class *class,
            const struct output_options *o)
{
    memset(output, 0, sizeof *output);
    output->class = class;
    output->o = o;
}

void
output_opened(struct output *output)
{
    output->state = OUTPUT_OPEN;
    output->opened = output->progress = time_msec();
}

void
output_sent(struct output *output, size_t n)
{
    if (output->sent == output->delivered && n) {
        /* Nothing was on its way: the time to make progress begins. */
        output->progress = time_msec();
    }
    output->sent += n;
}

void
output_delivered(struct output *output, uint64_t delivered)
{
    long long int now = time_msec();

    if (delivered > output->delivered || delivered == output->sent) {
        output->delivered = delivered;
        output->progress = now;
    } else if (now - output->progress >= output->o->timeout_ms) {
        output_fail(output, "%s took nothing for %lld ms", output->o->server,
                    now - output->progress);
    }
}

void
output_fail(struct output *output, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(output->error, sizeof output->error, format, args);
    va_end(args);
    output_close(output);
}

void
output_put_receipt(struct output *output, const struct output_receipt *receipt)
{
    output->receipt = *receipt;
    output->has_receipt = true;
    output->progress = time_msec();
}

void
output_receipt_done(struct output *output)
{
    output->has_receipt = false;
    output_delivered(output, output->receipt.end);
}

long long int
output_age(const struct output *output)
{
    return time_msec() - output->opened;
}
