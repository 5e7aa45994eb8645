/* SPDX-License-Identifier: Apache-2.0
 *
 * Batches in the spool.  See spool-batches.h. */
#include <config.h>

#include "spool-batches.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "command.h"
#include "control-frame.h"
#include "durable.h"
#include "openvswitch/dynamic-string.h"
#include "render-json.h"
#include "render-spool.h"
#include "timeval.h"
#include "util.h"

enum {
    ASK_AGAIN_MS = 100,
    QUEUE_SIZE = 33,            /* Of a queue's name and its null byte. */
};

#define CHARACTERS "abcdefghijklmnopqrstuvwxyz" \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

/* Reads digits up to 'end', a character, and moves '*s' behind that. */
static bool
take_number(const char **s, char end, uint64_t max, uint64_t *ret)
{
    size_t n = strspn(*s, "0123456789");
    char *after;

    errno = 0;
    uint64_t value = strtoull(*s, &after, 10);
    if (!n || errno || value > max || *after != end) {
        return false;
    }
    *s = after + (end != '\0');
    *ret = value;
    return true;
}

bool
batches_parse_name(const char *name, Sluice__SpoolQuery *query)
{
    uint64_t tenant, generation, number;
    const char *s = name;

    if (!take_number(&s, '/', 0xffffff, &tenant) || !tenant) {
        return false;
    }
    const char *queue = s;
    size_t size = strspn(s, CHARACTERS);
    if (!size || size >= QUEUE_SIZE || *s == '.' || s[size] != '/') {
        return false;
    }
    s += size + 1;
    if (!strncmp(s, "quarantine/", 11)) {
        s += 11;
    }
    if (!take_number(&s, '-', UINT32_MAX, &generation)) {
        return false;
    }
    size_t digits = strspn(s, "0123456789");
    bool is_file = !strcmp(s + digits, ".batch");
    if (!take_number(&s, is_file ? '.' : '\0', UINT64_MAX, &number)) {
        return false;
    }
    query->tenant = tenant;
    query->queue = xmemdup0(queue, size);
    query->generation = generation;
    query->number = number;
    return true;
}

static char *
format_batch(const Sluice__SpoolBatch *b)
{
    return xasprintf("%"PRIu32"/%s/%"PRIu32"-%"PRIu64, b->tenant, b->queue,
                     b->generation, b->number);
}

/* Asks 'verb' about 'query', again while the shipper has the queue in hand.
 * Returns null and an answer without error, or a malloc()ed sentence. */
static char *
ask(const struct batches_options *o, Sluice__Verb verb,
    Sluice__SpoolQuery *query, Sluice__Response **ret)
{
    long long int until = time_msec() + o->timeout_s * 1000LL;
    Sluice__Request request = SLUICE__REQUEST__INIT;
    Sluice__Response *response;

    request.verb = verb;
    request.spool = query;
    for (;;) {
        char *sentence = client_request(o->socket, &request, &response);
        if (sentence) {
            return sentence;
        } else if (!response->error[0]) {
            *ret = response;
            return NULL;
        }
        bool again = response->busy && time_msec() < until;
        sentence = again ? NULL : xstrdup(response->error);
        control_free_response(response);
        if (!again) {
            return sentence;
        }
        xnanosleep(ASK_AGAIN_MS * 1000000ULL);
    }
}

/* The batches that a command is about: those that are named, or else those
 * that the options choose. */
static char *
choose(const struct batches_options *o, int n, char *names[],
       Sluice__SpoolQuery **ret, size_t *ret_n, uint64_t *ret_lines)
{
    Sluice__SpoolQuery filter = SLUICE__SPOOL_QUERY__INIT;
    Sluice__SpoolQuery *queries = xcalloc(n + 1, sizeof *queries);
    Sluice__Response *r;
    char *sentence = NULL;
    size_t n_queries = 0;

    for (int i = 0; i < n; i++) {
        sluice__spool_query__init(&queries[i]);
        n_queries += batches_parse_name(names[i], &queries[i]);
    }
    if (!n) {
        filter.tenant = o->tenant;
        filter.queue = CONST_CAST(char *, o->queue ? o->queue : "");
        filter.quarantined = o->quarantined;
        sentence = ask(o, SLUICE__VERB__SPOOL_LIST, &filter, &r);
        queries = xrealloc(queries, ((sentence ? 0 : r->n_batches) + 1)
                           * sizeof *queries);
        for (size_t i = 0; !sentence && i < r->n_batches; i++) {
            const Sluice__SpoolBatch *b = r->batches[i];
            if (strcmp(b->state, "foreign")) {
                Sluice__SpoolQuery *q = &queries[n_queries++];
                sluice__spool_query__init(q);
                q->tenant = b->tenant;
                q->queue = xstrdup(b->queue);
                q->generation = b->generation;
                q->number = b->number;
                q->quarantined = o->quarantined;
                *ret_lines += b->lines;
            }
        }
        if (!sentence) {
            control_free_response(r);
        }
    }
    *ret = queries;
    *ret_n = n_queries;
    return sentence;
}

static void
free_chosen(Sluice__SpoolQuery *queries, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(queries[i].queue);
    }
    free(queries);
}

/* Calls 'cb' for each of the batches that the command is about.  What fails
 * for one does not keep the others from their turn. */
static int
for_each(const struct batches_options *o, int n, char *names[],
         char *(*cb)(const struct batches_options *, Sluice__SpoolQuery *,
                     struct ds *out, void *aux), void *aux)
{
    Sluice__SpoolQuery *queries = NULL;
    size_t n_queries = 0;
    uint64_t n_lines = 0;
    int status = EXIT_SUCCESS;

    char *sentence = choose(o, n, names, &queries, &n_queries, &n_lines);
    for (size_t i = 0; i < n_queries && !sentence; i++) {
        struct ds out = DS_EMPTY_INITIALIZER;
        char *error = cb(o, &queries[i], &out, aux);
        fputs(ds_cstr(&out), stdout);
        ds_destroy(&out);
        if (error) {
            status = command_fail(error);
        }
    }
    if (!sentence && !n_queries) {
        puts("There is no such batch.");
    }
    free_chosen(queries, n_queries);
    return sentence ? command_fail(sentence) : status;
}

/* list */

static int
run_list(const struct batches_options *o)
{
    Sluice__SpoolQuery query = SLUICE__SPOOL_QUERY__INIT;
    struct ds out = DS_EMPTY_INITIALIZER;
    Sluice__Response *r;

    query.tenant = o->tenant;
    query.queue = CONST_CAST(char *, o->queue ? o->queue : "");
    query.quarantined = o->quarantined;
    char *sentence = ask(o, SLUICE__VERB__SPOOL_LIST, &query, &r);
    if (sentence) {
        return command_fail(sentence);
    }
    if (o->json) {
        render_json(r, "batches", &out);
    } else {
        render_batches(r, time_wall_usec() * 1000ULL, &out);
    }
    control_free_response(r);
    fputs(ds_cstr(&out), stdout);
    ds_destroy(&out);
    return EXIT_SUCCESS;
}

/* show */

/* Shows a batch, or, for JSON, moves it to the others in '*all'. */
static char *
show_one(const struct batches_options *o, Sluice__SpoolQuery *query,
         struct ds *out, void *all_)
{
    Sluice__Response **all = all_;
    Sluice__Response *r;
    char *sentence = ask(o, SLUICE__VERB__SPOOL_SHOW, query, &r);

    if (sentence) {
        return sentence;
    } else if (!o->json) {
        render_batch(r->batches[0], time_wall_usec() * 1000ULL, out);
    } else if (!*all) {
        *all = r;
        return NULL;
    } else {
        Sluice__Response *a = *all;
        a->batches = xrealloc(a->batches,
                              (a->n_batches + 1) * sizeof *a->batches);
        a->batches[a->n_batches++] = r->batches[0];
        r->n_batches = 0;
    }
    control_free_response(r);
    return NULL;
}

static int
run_show(const struct batches_options *o, int n, char *names[])
{
    Sluice__Response *all = NULL;
    int status = for_each(o, n, names, show_one, &all);

    if (all) {
        struct ds out = DS_EMPTY_INITIALIZER;
        render_json(all, "batches", &out);
        fputs(ds_cstr(&out), stdout);
        ds_destroy(&out);
        control_free_response(all);
    }
    return status;
}

/* export */

static char *
write_all(int fd, const char *path, ProtobufCBinaryData data)
{
    int error = durable_write(fd, data.data, data.len);

    return (error ? xasprintf("%s can't be written: %s; make room for it.",
                              path, ovs_strerror(error)) : NULL);
}

/* Asks for the file of a batch, part by part. */
static char *
copy_batch(const struct batches_options *o, Sluice__SpoolQuery *query, int fd,
           const char *path)
{
    char *sentence = NULL;
    uint64_t size;

    query->offset = 0;
    do {
        Sluice__Response *r;
        sentence = ask(o, SLUICE__VERB__SPOOL_EXPORT, query, &r);
        if (sentence) {
            break;
        }
        size = r->n_batches ? r->batches[0]->bytes : 0;
        if (!r->data.len && query->offset < size) {
            sentence = xstrdup("sluiced sends nothing of the batch; use a "
                               "sluicectl of its version.");
        } else {
            sentence = write_all(fd, path, r->data);
            query->offset += r->data.len;
        }
        control_free_response(r);
    } while (!sentence && query->offset < size);
    return sentence;
}

static bool
is_directory(const char *path)
{
    struct stat st;

    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

/* Makes a file of the batch: all of it, or none. */
static char *
export_one(const struct batches_options *o, Sluice__SpoolQuery *query,
           struct ds *out OVS_UNUSED, void *aux OVS_UNUSED)
{
    if (!o->output) {
        return copy_batch(o, query, STDOUT_FILENO, "standard output");
    }

    char *path = (is_directory(o->output)
                  ? xasprintf("%s/%"PRIu32"-%s-%010"PRIu32"-%020"PRIu64
                              ".batch", o->output, query->tenant,
                              query->queue, query->generation, query->number)
                  : xstrdup(o->output));
    char *temp = xasprintf("%s.new", path);
    char *sentence = NULL;
    int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                  0600);
    if (fd < 0) {
        sentence = xasprintf("%s can't be made: %s; name another --output.",
                             temp, ovs_strerror(errno));
    } else {
        sentence = copy_batch(o, query, fd, path);
        if (!sentence && (fsync(fd) || rename(temp, path))) {
            sentence = xasprintf("%s can't be written: %s; make room for it.",
                                 path, ovs_strerror(errno));
        }
        if (sentence) {
            unlink(temp);
        }
        close(fd);
    }
    free(temp);
    free(path);
    return sentence;
}

static int
run_export(const struct batches_options *o, int n, char *names[])
{
    if (n > 1 && (!o->output || !is_directory(o->output))) {
        return command_fail(xstrdup("several batches are exported into a "
                                    "directory; name one with --output."));
    }
    return for_each(o, n, names, export_one, NULL);
}

/* replay and drop */

static char *
change_one(const struct batches_options *o, Sluice__SpoolQuery *query,
           struct ds *out, void *verb_)
{
    const Sluice__Verb *verb = verb_;
    Sluice__Response *r;
    char *sentence = ask(o, *verb, query, &r);

    if (!sentence) {
        const Sluice__SpoolBatch *b = r->batches[0];
        char *name = format_batch(b);
        ds_put_format(out, "%s: %s, %"PRIu64" lines\n", name,
                      *verb == SLUICE__VERB__SPOOL_DROP ? "dropped"
                      : b->in_quarantine ? "back in the queue"
                      : "in the queue already", b->lines);
        free(name);
        control_free_response(r);
    }
    return sentence;
}

static int
run_drop(const struct batches_options *o, int n, char *names[])
{
    Sluice__Verb verb = SLUICE__VERB__SPOOL_DROP;
    Sluice__SpoolQuery *queries = NULL;
    size_t n_queries = 0;
    uint64_t n_lines = 0;

    if (o->yes) {
        return for_each(o, n, names, change_one, &verb);
    }
    char *sentence = choose(o, n, names, &queries, &n_queries, &n_lines);
    free_chosen(queries, n_queries);
    if (sentence) {
        return command_fail(sentence);
    }
    char *lines = n ? xstrdup("") : xasprintf(" with %"PRIu64" lines",
                                              n_lines);
    sentence = xasprintf("%"PRIuSIZE" batches%s would be dropped, for good; "
                         "give --yes if that is meant.", n_queries, lines);
    free(lines);
    return command_fail(sentence);
}

/* Says what is wrong with what stands behind 'verb'. */
static char *
check_names(const struct batches_options *o, const char *verb, int n,
            char *names[])
{
    bool is_list = !strcmp(verb, "list");
    bool takes_choice = !strcmp(verb, "replay") || !strcmp(verb, "drop");
    bool is_choice = o->quarantined || o->tenant || o->queue;

    for (int i = 0; i < n && !is_list; i++) {
        Sluice__SpoolQuery query = SLUICE__SPOOL_QUERY__INIT;
        if (!batches_parse_name(names[i], &query)) {
            return xasprintf("\"%s\" is not the name of a batch: "
                             "TENANT/QUEUE/GENERATION-NUMBER; see "
                             "sluicectl spool list.", names[i]);
        }
        free(query.queue);
    }
    if (is_list && n) {
        return xasprintf("spool list: \"%s\" is too much; it lists what "
                         "--tenant, --queue and --quarantined leave.",
                         names[0]);
    } else if (is_list) {
        return NULL;
    } else if (!takes_choice) {
        return n ? NULL : xasprintf("spool %s: name batches, as spool list "
                                    "does.", verb);
    } else if (n && is_choice) {
        return xasprintf("spool %s: name batches, or choose them by options, "
                         "not both.", verb);
    } else if (!n && !o->quarantined && !(o->tenant && o->queue)) {
        /* What would be all there is has to be asked for. */
        return xasprintf("spool %s: name batches, or choose them by "
                         "--quarantined, or by --tenant and --queue.", verb);
    }
    return NULL;
}

int
batches_run(const struct batches_options *o, int argc, char *argv[])
{
    const char *verb = argv[0];
    int n = argc - 1;
    char **names = argv + 1;
    char *sentence = check_names(o, verb, n, names);

    if (sentence) {
        command_fail(sentence);
        return EXIT_USAGE;
    } else if (!strcmp(verb, "list")) {
        return run_list(o);
    } else if (!strcmp(verb, "show")) {
        return run_show(o, n, names);
    } else if (!strcmp(verb, "export")) {
        return run_export(o, n, names);
    } else if (!strcmp(verb, "replay")) {
        Sluice__Verb replay = SLUICE__VERB__SPOOL_REPLAY;
        return for_each(o, n, names, change_one, &replay);
    }
    return run_drop(o, n, names);
}
