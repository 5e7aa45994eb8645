/* SPDX-License-Identifier: Apache-2.0
 *
 * A Kafka producer, by librdkafka: idempotent, so that what it sends again
 * itself is neither doubled nor out of order, and content only when all
 * replicas in sync have a message.
 *
 * There is one in the process.  Whatever goes wrong ends the program, with a
 * sentence for sluice-ship: see adapter-end.h.
 *
 * In: options; messages with keys.
 * Out: messages in the topic; in the marks, what the brokers acknowledged.
 * Runs in: sluice-kafka. */
#ifndef SLUICE_KAFKA_PRODUCER_H
#define SLUICE_KAFKA_PRODUCER_H 1

#include "adapter-marks.h"
#include "slice.h"

struct kafka_options {
    const char *brokers;        /* HOST:PORT,... to begin with. */
    const char *topic;
    const char *ca_file;        /* TLS, if not null. */
    const char *certificate_file, *key_file;
    const char *debug;          /* librdkafka's contexts, or null. */
    unsigned int timeout_ms;    /* For each phase. */
    unsigned int max_bytes;     /* Of a message, and of what is sent at once:
                                 * the topic's max.message.bytes. */
};

/* Connects, and finds the topic.  Borrows both arguments for as long as the
 * program runs. */
void kafka_producer_open(const struct kafka_options *,
                         struct adapter_marks *);

/* A descriptor, readable when kafka_producer_run() has something to do. */
int kafka_producer_fd(void);

/* Takes what the brokers have said.  Returns true if they acknowledged
 * anything. */
bool kafka_producer_run(void);

/* Gives a message to the producer.  Returns false if its queue is full: then
 * the message is to be given again. */
bool kafka_producer_send(struct slice key, struct slice message);

void kafka_producer_close(void);

#endif /* proxy-vm/kafka/kafka-producer.h */
