/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the tags of one vCenter.  See vsphere-tags.h. */
#include <config.h>

#include "vsphere-tags.h"

#include <stdlib.h>

#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "random.h"
#include "timeval.h"
#include "util.h"
#include "vsphere-credentials.h"

VLOG_DEFINE_THIS_MODULE(vsphere_tags);

enum {
    MIN_BACKOFF_MS = 1000,
    MAX_BACKOFF_MS = 60 * 1000,
    LOGIN_BACKOFF_MS = 60 * 1000, /* Once refused: accounts get locked. */
    CALL_TIMEOUT_MS = 60 * 1000,
    STALL_MS = 45 * 1000,
    MIN_CALL_MS = 10,           /* From an answer to the next call. */
    UNAUTHORIZED = 401,
};

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(30, 60);

enum step { LOGIN, LIST, TAG, CATEGORY, HOLDERS };

static const char *const step_names[] = {
    "logging in", "listing tags", "reading a tag", "reading a category",
    "asking who has tags",
};

struct vsphere_tags {
    char *name;
    char *credentials_file;
    unsigned int interval_ms;
    struct http_client *http;
    struct http_call *call;     /* Null: none is under way. */
    struct ds reply;

    enum step step;             /* What is next, or under way... */
    size_t i;                   /* ...of which tag or category. */
    bool has_just_logged_in;
    struct tags_model *model;   /* Whole. */
    struct tags_model *next;    /* While a reading is under way, or null. */
    uint64_t read_ns;
    long long int not_before;
    unsigned int backoff_ms;
    char *problem;
    unsigned long long int n_readings, n_logins;
};

struct vsphere_tags *
vsphere_tags_create(const struct vsphere_tags_options *options)
{
    struct vsphere_tags *t = xzalloc(sizeof *t);

    t->name = xstrdup(options->name);
    t->credentials_file = xstrdup(options->credentials_file);
    t->interval_ms = MAX(options->interval_ms, 1000);
    t->http = http_client_create(&options->http);
    t->model = tags_model_create();
    ds_init(&t->reply);
    return t;
}

static void
end_call(struct vsphere_tags *t)
{
    http_call_destroy(t->call);
    t->call = NULL;
    ds_clear(&t->reply);
}

void
vsphere_tags_destroy(struct vsphere_tags *t)
{
    if (t) {
        end_call(t);
        http_client_destroy(t->http);
        tags_model_destroy(t->model);
        tags_model_destroy(t->next);
        ds_destroy(&t->reply);
        free(t->problem);
        free(t->credentials_file);
        free(t->name);
        free(t);
    }
}

/* Begins anew after a while; takes 'problem', a sentence without its full
 * stop. */
static void
fail(struct vsphere_tags *t, char *problem)
{
    char *sentence = xasprintf("%s: tags: %s: %s; trying again.", t->name,
                               step_names[t->step], problem);

    t->backoff_ms = MIN(MAX(t->backoff_ms * 2, MIN_BACKOFF_MS),
                        MAX_BACKOFF_MS);
    unsigned int wait_ms = MAX(t->backoff_ms,
                               t->step == LOGIN ? LOGIN_BACKOFF_MS : 0);
    t->not_before = time_msec() + wait_ms * 3 / 4
                    + random_range(wait_ms / 2 + 1);
    if (!nullable_string_is_equal(t->problem, sentence)) {
        VLOG_WARN_RL(&rl, "%s  What is known stays as it was.", sentence);
    }
    free(t->problem);
    t->problem = sentence;
    free(problem);
    tags_model_destroy(t->next);
    t->next = NULL;
    t->step = http_client_has_cookies(t->http) ? LIST : LOGIN;
}

/* Asking. */

static bool
take_piece(struct slice piece, void *t_)
{
    struct vsphere_tags *t = t_;

    if (t->reply.length + piece.size > TAGS_MAX_REPLY) {
        return false;
    }
    ds_put_buffer(&t->reply, (const char *) piece.data, piece.size);
    return true;
}

static void
ask(struct vsphere_tags *t, const struct http_query *query)
{
    t->call = http_call_ask(t->http, query, CALL_TIMEOUT_MS, STALL_MS,
                            take_piece, t);
}

static void
log_in(struct vsphere_tags *t)
{
    char *user, *password;
    char *sentence = credentials_read(t->credentials_file, &user, &password);

    if (sentence) {
        sentence[strlen(sentence) - 1] = '\0';
        fail(t, sentence);
        return;
    }
    http_client_forget(t->http);
    ask(t, &(struct http_query) { .path = "/session", .body = "",
                                  .user = user, .password = password });
    credentials_free(user);
    credentials_free(password);
}

/* Asks who has the next few tags. */
static void
ask_holders(struct vsphere_tags *t)
{
    struct ds body = DS_EMPTY_INITIALIZER;
    size_t end = MIN(t->i + TAGS_AT_ONCE, tags_model_n_tags(t->next));

    ds_put_cstr(&body, "{\"tag_ids\":[");
    for (size_t i = t->i; i < end; i++) {
        ds_put_format(&body, "%s\"%s\"", i > t->i ? "," : "",
                      tags_model_tag_id(t->next, i));
    }
    ds_put_cstr(&body, "]}");
    ask(t, &(struct http_query) {
        .path = "/tagging/tag-association"
                "?~action=list-attached-objects-on-tags",
        .body = ds_cstr(&body),
    });
    ds_destroy(&body);
}

static void
start(struct vsphere_tags *t)
{
    char *path = NULL;

    switch (t->step) {
    case LOGIN:
        log_in(t);
        break;
    case LIST:
        tags_model_destroy(t->next);
        t->next = tags_model_create();
        path = xstrdup("/tagging/tag");
        break;
    case TAG:
        path = xasprintf("/tagging/tag/id:%s",
                         tags_model_tag_id(t->next, t->i));
        break;
    case CATEGORY:
        path = xasprintf("/tagging/category/id:%s",
                         tags_model_category_id(t->next, t->i));
        break;
    case HOLDERS:
        ask_holders(t);
        break;
    default:
        OVS_NOT_REACHED();
    }
    if (path) {
        ask(t, &(struct http_query) { .path = path });
        free(path);
    }
}

/* Taking. */

/* A reading is there, all of it. */
static void
take_reading(struct vsphere_tags *t)
{
    tags_model_destroy(t->model);
    t->model = t->next;
    t->next = NULL;
    t->read_ns = time_wall_usec() * UINT64_C(1000);
    t->n_readings++;
    t->backoff_ms = 0;
    t->has_just_logged_in = false;
    t->step = LIST;
    t->not_before = time_msec() + t->interval_ms;
    if (t->problem) {
        VLOG_INFO_RL(&rl, "%s: tags can be read again", t->name);
    }
    free(t->problem);
    t->problem = NULL;
}

/* Goes on to the next step, 'n_done' of which were done.  Returns true at the
 * end of a reading. */
static bool
go_on(struct vsphere_tags *t, size_t n_done)
{
    t->i += n_done;
    if (t->step == LOGIN || t->step == LIST
        || t->i >= (t->step == CATEGORY ? tags_model_n_categories(t->next)
                    : tags_model_n_tags(t->next))) {
        bool is_last = t->step == HOLDERS
                       || (t->step == LIST && !tags_model_n_tags(t->next));

        t->i = 0;
        if (is_last) {
            take_reading(t);
            return true;
        }
        t->step++;
    }
    return false;
}

/* Takes the reply to the call, which has ended.  Returns true at the end of a
 * reading. */
static bool
finish(struct vsphere_tags *t)
{
    struct slice reply = slice_of(t->reply.string, t->reply.length);
    const char *why = http_call_problem(t->call);
    bool is_lost = (http_call_status(t->call) == UNAUTHORIZED
                    && t->step != LOGIN);
    char *problem = why ? xstrdup(why) : NULL;
    size_t n_done = 1;

    if (!problem) {
        switch (t->step) {
        case LOGIN:
            t->n_logins++;
            t->has_just_logged_in = true;
            break;
        case LIST:
            problem = tags_model_take_list(t->next, reply);
            break;
        case TAG:
            problem = tags_model_take_tag(t->next, t->i, reply);
            break;
        case CATEGORY:
            problem = tags_model_take_category(t->next, t->i, reply);
            break;
        case HOLDERS:
            problem = tags_model_take_holders(t->next, reply);
            n_done = TAGS_AT_ONCE;
            break;
        default:
            OVS_NOT_REACHED();
        }
    }
    end_call(t);
    t->not_before = time_msec() + MIN_CALL_MS;
    if (is_lost) {
        /* Sessions end when nobody asks for a while. */
        http_client_forget(t->http);
    }
    if (is_lost && !t->has_just_logged_in) {
        free(problem);
        t->step = LOGIN;
        return false;
    } else if (problem) {
        fail(t, problem);
        return false;
    }
    return go_on(t, n_done);
}

/* The loop. */

bool
vsphere_tags_run(struct vsphere_tags *t)
{
    bool has_read = false;

    http_client_run(t->http);
    if (t->call && http_call_has_ended(t->call)) {
        has_read = finish(t);
    }
    if (!t->call && time_msec() >= t->not_before) {
        start(t);
    }
    return has_read;
}

void
vsphere_tags_wait(struct vsphere_tags *t)
{
    http_client_wait(t->http);
    if (!t->call) {
        poll_timer_wait_until(t->not_before);
    }
}

void
vsphere_tags_hurry(struct vsphere_tags *t)
{
    t->not_before = 0;
}

const char *
vsphere_tags_problem(const struct vsphere_tags *t)
{
    return t->problem;
}

const struct tags_model *
vsphere_tags_model(const struct vsphere_tags *t)
{
    return t->model;
}

uint64_t
vsphere_tags_read_ns(const struct vsphere_tags *t)
{
    return t->read_ns;
}

void
vsphere_tags_put_status(const struct vsphere_tags *t, struct ds *status)
{
    ds_put_format(status, "%s: %"PRIuSIZE" tags of %"PRIuSIZE" VMs, "
                  "%llu readings, %llu logins\n", t->name,
                  tags_model_n_tags(t->model), tags_model_n_holders(t->model),
                  t->n_readings, t->n_logins);
}
