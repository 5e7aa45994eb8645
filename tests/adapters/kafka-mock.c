/* SPDX-License-Identifier: Apache-2.0
 *
 * A Kafka cluster for test-kafka.py, librdkafka's mock one, and a consumer:
 *
 *     kafka-mock BROKERS PARTITIONS TOPIC
 *
 * Prints the brokers' addresses, then obeys the lines of its input, and
 * answers each with lines of which the last is "done":
 *
 *     consume MS           prints "partition TAB key TAB value" of the messages
 *                          that are in the topic now and were not printed
 *                          yet, waiting no longer than MS for each
 *     error KEY CODE N     the next N requests of API KEY fail with CODE
 *     down ID, up ID       a broker accepts no connections, or does again
 *     rtt ID MS            a broker answers later
 *     leader P ID          another broker leads partition P
 *
 * In: commands.  Out: messages. */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_PARTITIONS 16
#define QUERY_MS 20000

static rd_kafka_mock_cluster_t *cluster;
static rd_kafka_t *consumer;
static const char *topic;
static int n_partitions;

/* Of each partition, the offset of the first message not printed yet. */
static int64_t next[MAX_PARTITIONS];

static void
die(const char *what, const char *why)
{
    fprintf(stderr, "kafka-mock: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static void
must(rd_kafka_resp_err_t error, const char *what)
{
    if (error) {
        die(what, rd_kafka_err2str(error));
    }
}

static rd_kafka_t *
new_client(rd_kafka_type_t type, const char *brokers)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[256];

    if ((brokers
         && rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why,
                              sizeof why))
        || rd_kafka_conf_set(conf, "group.id", "test", why, sizeof why)
        || rd_kafka_conf_set(conf, "enable.auto.commit", "false", why,
                             sizeof why)
        || rd_kafka_conf_set(conf, "log_level", "0", why, sizeof why)) {
        die("can't configure", why);
    }
    rd_kafka_t *client = rd_kafka_new(type, conf, why, sizeof why);
    if (!client) {
        die("can't make a client", why);
    }
    return client;
}

/* The messages of partition 'p' so far: the offset of the next one.  Who leads
 * the partition may have to be learned first. */
static int64_t
end_of(int p)
{
    time_t end = time(NULL) + QUERY_MS / 1000;

    for (;;) {
        const struct rd_kafka_metadata *metadata;
        int64_t low, high;
        rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(
            consumer, topic, p, &low, &high, QUERY_MS);

        if (!error) {
            return high;
        } else if (time(NULL) >= end) {
            must(error, "watermarks");
        }
        must(rd_kafka_metadata(consumer, 1, NULL, &metadata, QUERY_MS),
             "metadata");
        rd_kafka_metadata_destroy(metadata);
    }
}

static void
consume(int ms)
{
    for (int p = 0; p < n_partitions; p++) {
        int64_t end = end_of(p);

        while (next[p] < end) {
            rd_kafka_message_t *m = rd_kafka_consumer_poll(consumer, ms);

            if (!m) {
                die("consume", "messages that are there do not come");
            }
            if (!m->err) {
                printf("%"PRId32"\t%.*s\t%.*s\n", m->partition,
                       (int) m->key_len, (const char *) m->key, (int) m->len,
                       (const char *) m->payload);
                next[m->partition] = m->offset + 1;
            }
            rd_kafka_message_destroy(m);
        }
    }
}

static void
obey(const char *line)
{
    int a, b, n;

    if (sscanf(line, "consume %d", &a) == 1) {
        consume(a);
    } else if (sscanf(line, "error %d %d %d", &a, &b, &n) == 3) {
        while (n-- > 0) {
            rd_kafka_mock_push_request_errors(cluster, a, 1, b);
        }
    } else if (sscanf(line, "down %d", &a) == 1) {
        must(rd_kafka_mock_broker_set_down(cluster, a), "down");
    } else if (sscanf(line, "up %d", &a) == 1) {
        must(rd_kafka_mock_broker_set_up(cluster, a), "up");
    } else if (sscanf(line, "rtt %d %d", &a, &b) == 2) {
        must(rd_kafka_mock_broker_set_rtt(cluster, a, b), "rtt");
    } else if (sscanf(line, "leader %d %d", &a, &b) == 2) {
        must(rd_kafka_mock_partition_set_leader(cluster, topic, a, b),
             "leader");
    } else {
        die("no such command", line);
    }
    printf("done\n");
    fflush(stdout);
}

int
main(int argc, char *argv[])
{
    char line[256];
    int n_brokers;

    if (argc != 4 || sscanf(argv[1], "%d", &n_brokers) != 1
        || sscanf(argv[2], "%d", &n_partitions) != 1
        || n_partitions > MAX_PARTITIONS) {
        die("usage", "kafka-mock BROKERS PARTITIONS TOPIC");
    }
    topic = argv[3];
    rd_kafka_t *host = new_client(RD_KAFKA_PRODUCER, NULL);
    cluster = rd_kafka_mock_cluster_new(host, n_brokers);
    if (!cluster) {
        die("no cluster", "can't be made");
    }
    must(rd_kafka_mock_topic_create(cluster, topic, n_partitions,
                                    n_brokers), "topic");

    const char *brokers = rd_kafka_mock_cluster_bootstraps(cluster);
    consumer = new_client(RD_KAFKA_CONSUMER, brokers);
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(
        n_partitions);
    for (int i = 0; i < n_partitions; i++) {
        rd_kafka_topic_partition_list_add(all, topic, i)->offset
            = RD_KAFKA_OFFSET_BEGINNING;
    }
    must(rd_kafka_assign(consumer, all), "assign");
    rd_kafka_topic_partition_list_destroy(all);

    printf("%s\n", brokers);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        obey(line);
    }
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(host);
    return EXIT_SUCCESS;
}
