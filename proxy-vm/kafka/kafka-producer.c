/* SPDX-License-Identifier: Apache-2.0
 *
 * A Kafka producer.  See kafka-producer.h. */
#include "kafka-producer.h"

#include <errno.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "adapter-end.h"

enum {
    /* What a record and its batch have around key and value. */
    OVERHEAD = 512,

    OPEN_STEP_MS = 200,
    CLOSE_MS = 2000,
};

/* What does not depend on our options. */
static const struct {
    const char *name, *value;
} settings[] = {
    { "client.id", "sluice" },
    { "enable.idempotence", "true" },
    { "acks", "all" },
    { "compression.type", "zstd" },

    /* The partition of a key as Java's producer has it. */
    { "partitioner", "murmur2_random" },

    /* A batch of sluice-ship's ends with a mark, which waits for the last
     * message. */
    { "linger.ms", "5" },
    { "socket.nagle.disable", "true" },

    /* Bounds on memory: what is more waits in the spool. */
    { "queue.buffering.max.messages", "50000" },
    { "queue.buffering.max.kbytes", "16384" },

    { "ssl.endpoint.identification.algorithm", "https" },
    { "enable.ssl.certificate.verification", "true" },
};

static struct {
    const struct kafka_options *o;
    struct adapter_marks *marks;
    rd_kafka_t *kafka;
    rd_kafka_topic_t *topic;
    int fd;
    bool all_down;              /* At some time. */
    bool progress;              /* Since kafka_producer_run(). */
    char said[256];             /* The latest error with a broker. */
} producer = { .fd = -1 };

static void
hear_delivery(rd_kafka_t *kafka __attribute__((unused)),
              const rd_kafka_message_t *message,
              void *aux __attribute__((unused)))
{
    uint32_t group = (uintptr_t) message->_private;

    switch (message->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        adapter_marks_settle(producer.marks, group, false);
        producer.progress = true;
        return;

    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        /* Perhaps one of this size alone would go, so it is not given up. */
        adapter_end_fail("topic %s takes less than %u bytes at once: "
                         "set --max-bytes to its max.message.bytes",
                         producer.o->topic, producer.o->max_bytes);

    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
        adapter_end_fail("topic %s at %s did not acknowledge a message within "
                         "%u ms%s%s", producer.o->topic, producer.o->brokers,
                         producer.o->timeout_ms,
                         producer.said[0] ? ": " : "", producer.said);

    default:
        adapter_end_fail("topic %s at %s did not take a message: %s",
                         producer.o->topic, producer.o->brokers,
                         rd_kafka_err2str(message->err));
    }
}

static void
hear_error(rd_kafka_t *kafka, int error, const char *reason,
           void *aux __attribute__((unused)))
{
    if (error == RD_KAFKA_RESP_ERR__FATAL) {
        char why[256];
        rd_kafka_fatal_error(kafka, why, sizeof why);
        adapter_end_fail("the producer for %s can't go on: %s",
                         producer.o->brokers, why);
    } else if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        producer.all_down = true;
    } else {
        snprintf(producer.said, sizeof producer.said, "%s", reason);
    }
}

static void
hear_log(const rd_kafka_t *kafka __attribute__((unused)), int level,
         const char *facility, const char *text)
{
    if (producer.o->debug) {
        fprintf(stderr, "%d %s %s\n", level, facility, text);
    }
}

static void
set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];

    if (value && rd_kafka_conf_set(conf, name, value, why, sizeof why)) {
        adapter_end_fail("librdkafka does not take %s: %s", name, why);
    }
}

static void
set_uint(rd_kafka_conf_t *conf, const char *name, unsigned int value)
{
    char text[16];

    snprintf(text, sizeof text, "%u", value);
    set(conf, name, text);
}

static void
prepare(const struct kafka_options *o)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[256];

    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        set(conf, settings[i].name, settings[i].value);
    }
    set(conf, "bootstrap.servers", o->brokers);
    set_uint(conf, "message.max.bytes", o->max_bytes - OVERHEAD);
    set_uint(conf, "batch.size", o->max_bytes - OVERHEAD);
    set_uint(conf, "message.timeout.ms", o->timeout_ms);
    set_uint(conf, "socket.timeout.ms", o->timeout_ms);
    set_uint(conf, "socket.connection.setup.timeout.ms",
             o->timeout_ms < 1000 ? 1000 : o->timeout_ms);
    set_uint(conf, "request.timeout.ms", o->timeout_ms);
    if (o->ca_file) {
        set(conf, "security.protocol", "ssl");
        set(conf, "ssl.ca.location", o->ca_file);
        set(conf, "ssl.certificate.location", o->certificate_file);
        set(conf, "ssl.key.location", o->key_file);
    }
    set(conf, "debug", o->debug);
    rd_kafka_conf_set_dr_msg_cb(conf, hear_delivery);
    rd_kafka_conf_set_error_cb(conf, hear_error);
    rd_kafka_conf_set_log_cb(conf, hear_log);

    producer.kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!producer.kafka) {
        adapter_end_fail("can't make a Kafka producer: %s", why);
    }
    producer.topic = rd_kafka_topic_new(producer.kafka, o->topic, NULL);
    if (!producer.topic) {
        adapter_end_fail("\"%s\" can't be a topic: %s", o->topic,
                         rd_kafka_err2str(rd_kafka_last_error()));
    }
}

/* Has the main queue write to a descriptor when it is no longer empty. */
static void
make_fd(void)
{
    static const uint64_t one = 1;
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(producer.kafka);

    producer.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (producer.fd < 0) {
        adapter_end_fail("can't make an eventfd: %s", strerror(errno));
    }
    rd_kafka_queue_io_event_enable(queue, producer.fd, &one, sizeof one);
    rd_kafka_queue_destroy(queue);
}

/* Asks for the topic.  Returns true if it is there and has partitions. */
static bool
find_topic(rd_kafka_resp_err_t *ret_error)
{
    const struct rd_kafka_metadata *metadata;
    bool found = false;

    *ret_error = rd_kafka_metadata(producer.kafka, 0, producer.topic,
                                   &metadata, OPEN_STEP_MS);
    if (!*ret_error) {
        const rd_kafka_metadata_topic_t *topic = metadata->topics;

        *ret_error = (metadata->topic_cnt < 1
                      ? RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC : topic->err);
        found = !*ret_error && topic->partition_cnt > 0;
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_poll(producer.kafka, 0);
    return found;
}

void
kafka_producer_open(const struct kafka_options *o,
                    struct adapter_marks *marks)
{
    rd_kafka_resp_err_t error;

    producer.o = o;
    producer.marks = marks;
    prepare(o);
    make_fd();

    int64_t deadline = adapter_now_ms() + o->timeout_ms;
    while (!find_topic(&error)) {
        if (producer.all_down) {
            adapter_end_fail("can't reach Kafka at %s: %s", o->brokers,
                             producer.said[0] ? producer.said
                             : "no broker answers");
        }
        if (adapter_now_ms() >= deadline) {
            adapter_end_fail("topic %s at %s can't be used: %s%s%s", o->topic,
                             o->brokers, rd_kafka_err2str(error),
                             producer.said[0] ? ": " : "", producer.said);
        }
    }
    producer.said[0] = '\0';
}

int
kafka_producer_fd(void)
{
    return producer.fd;
}

bool
kafka_producer_run(void)
{
    uint64_t n;

    producer.progress = false;

    if (read(producer.fd, &n, sizeof n) < 0 && errno != EAGAIN) {
        adapter_end_fail("can't read an eventfd: %s", strerror(errno));
    }
    while (rd_kafka_poll(producer.kafka, 0) > 0) {
        continue;
    }
    return producer.progress;
}

bool
kafka_producer_send(struct slice key, struct slice message)
{
    uint32_t group = adapter_marks_add_message(producer.marks);
    int failed = rd_kafka_produce(
        producer.topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
        (void *) message.data, message.size,
        key.size ? key.data : NULL, key.size, (void *) (uintptr_t) group);

    if (!failed) {
        return true;
    }
    switch (rd_kafka_last_error()) {
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
        adapter_marks_take_back(producer.marks, group);
        return false;

    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        adapter_marks_settle(producer.marks, group, true);
        return true;

    default:
        adapter_end_fail("topic %s at %s did not take a message: %s",
                         producer.o->topic, producer.o->brokers,
                         rd_kafka_err2str(rd_kafka_last_error()));
    }
}

void
kafka_producer_close(void)
{
    adapter_deadline_begin(CLOSE_MS, "%s did not close the session",
                           producer.o->brokers);
    rd_kafka_topic_destroy(producer.topic);
    rd_kafka_destroy(producer.kafka);
    close(producer.fd);
    adapter_deadline_end();
}
