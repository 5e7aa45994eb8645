/* SPDX-License-Identifier: Apache-2.0
 *
 * sluice-kafka: produces a tenant's lines to a Kafka topic, for sluice-ship.
 * See sluice-kafka(8).
 *
 * A program of its own because librdkafka has threads of its own.
 *
 * In: options; messages and marks at descriptor 3 (adapter-frame.h).
 * Out: messages in the topic; there, confirmed marks or a sentence. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapter-end.h"
#include "kafka-producer.h"

enum {
    MIN_MS = 100,
    MAX_MS = 300000,            /* The most of socket.timeout.ms. */
    MIN_BYTES = 4096,
    MAX_BYTES = 100 * 1024 * 1024,

    FULL_MS = 10,               /* Before a full queue is tried again. */
};

static void __attribute__((noreturn))
usage(void)
{
    printf("usage: %s --brokers HOST:PORT,... --topic NAME\n"
           "       [--ca-file FILE [--certificate-file FILE --key-file FILE]]"
           "\n"
           "       [--timeout-ms MS] [--max-bytes BYTES] [--debug CONTEXTS]\n"
           "Produces messages from descriptor 3 to a Kafka topic; started by "
           "sluice-ship.\n"
           "See sluice-kafka(8).\n", program_invocation_short_name);
    exit(EXIT_SUCCESS);
}

static unsigned int
parse_uint(const char *option, const char *arg, unsigned long min,
           unsigned long max)
{
    char *end;
    unsigned long value = strtoul(arg, &end, 10);

    if (*end || end == arg || value < min || value > max) {
        fprintf(stderr, "%s: --%s is not a number from %lu to %lu\n",
                program_invocation_short_name, option, min, max);
        exit(EXIT_FAILURE);
    }
    return value;
}

static void
parse_options(int argc, char *argv[], struct kafka_options *o)
{
    enum { BROKERS = 256, TOPIC, CA, CERTIFICATE, KEY, TIMEOUT, BYTES, DEBUG };
    static const struct option options[] = {
        { "brokers", required_argument, NULL, BROKERS },
        { "topic", required_argument, NULL, TOPIC },
        { "ca-file", required_argument, NULL, CA },
        { "certificate-file", required_argument, NULL, CERTIFICATE },
        { "key-file", required_argument, NULL, KEY },
        { "timeout-ms", required_argument, NULL, TIMEOUT },
        { "max-bytes", required_argument, NULL, BYTES },
        { "debug", required_argument, NULL, DEBUG },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
        switch (c) {
        case BROKERS: o->brokers = optarg; break;
        case TOPIC: o->topic = optarg; break;
        case CA: o->ca_file = optarg; break;
        case CERTIFICATE: o->certificate_file = optarg; break;
        case KEY: o->key_file = optarg; break;
        case TIMEOUT:
            o->timeout_ms = parse_uint("timeout-ms", optarg, MIN_MS, MAX_MS);
            break;
        case BYTES:
            o->max_bytes = parse_uint("max-bytes", optarg, MIN_BYTES,
                                      MAX_BYTES);
            break;
        case DEBUG: o->debug = optarg; break;
        case 'h': usage();
        case 'V':
            printf("sluice-kafka (Sluice) %s\n", SLUICE_VERSION);
            exit(EXIT_SUCCESS);
        /* fall through */
        default: exit(EXIT_FAILURE);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "%s: \"%s\" is not an option; use --help\n", argv[0],
                argv[optind]);
        exit(EXIT_FAILURE);
    }
}

static void
check_options(const struct kafka_options *o)
{
    if (!o->brokers || !o->topic) {
        adapter_end_fail("sluice-kafka: --brokers and --topic must be there");
    }
    if (!o->certificate_file != !o->key_file) {
        adapter_end_fail("sluice-kafka: --certificate-file and --key-file "
                         "need each other");
    }
    if (o->certificate_file && !o->ca_file) {
        adapter_end_fail("sluice-kafka: --certificate-file needs --ca-file");
    }
}

/* Gives requests to the producer for as long as it takes them.  '*request' is
 * one that it did not take, if '*pending'; the same afterward. */
static void
take_requests(struct adapter_end *end, struct adapter_marks *marks,
              struct adapter_request *request, bool *pending)
{
    while (*pending || adapter_end_next(end, request)) {
        *pending = false;
        if (request->kind == ADAPTER_MARK) {
            if (!adapter_marks_add(marks, request->id)) {
                adapter_end_fail("sluice-ship set too many marks");
            }
        } else if (!kafka_producer_send(request->key, request->payload)) {
            *pending = true;
            return;
        }
    }
}

/* Runs until ship has nothing more to say and the brokers have acknowledged
 * everything. */
static void
run(struct adapter_end *end, struct adapter_marks *marks)
{
    struct adapter_request request;
    bool pending = false;

    for (;;) {
        take_requests(end, marks, &request, &pending);
        if (kafka_producer_run()) {
            adapter_end_progress();
        }
        adapter_end_confirm(marks);
        if (end->eof && !pending && adapter_marks_are_idle(marks)) {
            return;
        }

        struct pollfd fds[] = {
            { .fd = kafka_producer_fd(), .events = POLLIN },
            { .fd = pending || end->eof ? -1 : ADAPTER_FD, .events = POLLIN },
        };
        if (poll(fds, 2, pending ? FULL_MS : -1) < 0 && errno != EINTR) {
            adapter_end_fail("can't poll: %s", strerror(errno));
        }
        if (fds[1].revents) {
            adapter_end_read(end);
        }
    }
}

int
main(int argc, char *argv[])
{
    struct kafka_options o = { .timeout_ms = 10000, .max_bytes = 1000000 };
    static struct adapter_marks marks;
    struct adapter_end end;

    parse_options(argc, argv, &o);
    adapter_end_init(&end);
    check_options(&o);
    adapter_marks_init(&marks);
    kafka_producer_open(&o, &marks);
    adapter_end_open();
    run(&end, &marks);
    kafka_producer_close();
    free(end.buf);
    return EXIT_SUCCESS;
}
