/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeps up with one vCenter.  See vsphere-session.h. */
#include <config.h>

#include "vsphere-session.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "printable.h"
#include "random.h"
#include "soap-reply.h"
#include "timeval.h"
#include "util.h"
#include "vsphere-averages.h"
#include "vsphere-credentials.h"
#include "vsphere-request.h"

VLOG_DEFINE_THIS_MODULE(vsphere);

enum {
    MIN_BACKOFF_MS = 1000,
    MAX_BACKOFF_MS = 60 * 1000,
    LOGIN_BACKOFF_MS = 60 * 1000, /* Once refused: accounts get locked. */
    WAIT_S = 20,                /* For changes, at most. */
    WAIT_TIMEOUT_MS = 600 * 1000, /* Until all of an inventory is there. */
    CALL_TIMEOUT_MS = 60 * 1000,
    STALL_MS = 45 * 1000,
    LOGOUT_MS = 500,            /* When the program ends. */
    MAX_UPDATES = 1000,         /* Objects in an answer, at our wish. */
    MAX_REPLY = 128 * 1024 * 1024,
    MAX_SMALL_REPLY = 4 * 1024 * 1024,
    MAX_VERSION = 256,          /* Bytes of a version, or of a token. */
    ASK_AT_ONCE = 100,          /* VMs whose devices are asked for. */
    POLL_AT_ONCE = 500,
    /* Whatever a server says, not more often than this. */
    MIN_SESSION_MS = 10 * 1000, /* Between two logins without a back-off. */
    MIN_WAIT_MS = 100,          /* Between an answer and the next call. */
    MIN_AUX_MS = 20,            /* The same of the second call. */
};

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(30, 60);

enum state { CONTENT, LOGIN, VIEW, FILTER, WAIT, LOGOUT };

static const char *const state_names[] = {
    "finding out what it is", "logging in", "making a view",
    "making a filter", "waiting for changes", "logging out",
};

/* A request, and its reply as far as it is there. */
struct call {
    struct http_call *http;     /* Null: none is under way. */
    struct soap_reply *reply;
    struct ovs_list updates;    /* Of struct vsphere_update. */
    size_t n_updates;
    const struct vsphere_counters *counters; /* Elements are of these; or
                                              * null. */
};

/* What the second call is for. */
enum task {
    TASK_NONE, TASK_PARTIAL, TASK_ASK, TASK_POLL, TASK_COUNTERS, TASK_AVERAGE
};

struct vsphere_session {
    char *name;
    char *credentials_file;
    unsigned int poll_ms;
    struct http_client *http;

    enum state state;
    struct call main;
    struct call aux;
    enum task task;             /* Of 'aux'. */
    struct vsphere_service service;
    char *version;              /* "": nothing was said yet. */

    struct vsphere_model *model; /* Whole, if 'heard_at'. */
    struct vsphere_model *next; /* While an inventory comes in, or null. */
    long long int heard_at;     /* time_msec(); 0: never. */
    bool has_changed;

    unsigned int backoff_ms;
    long long int not_before;   /* Of the next call. */
    long long int aux_not_before;
    char *aux_token;            /* Of an answer that goes on, or null. */
    long long int logged_in_at; /* time_msec(); 0: never. */
    long long int poll_at;      /* time_msec() of the next round. */
    bool is_polling;            /* Within a round. */
    struct vsphere_averages averages;
    char *problem;
    char *aux_problem;          /* Of the second call. */

    unsigned long long int n_logins, n_answers, n_updates, n_failures;
};

/* Calls. */

static void
call_clear(struct call *c)
{
    struct vsphere_update *u;

    http_call_destroy(c->http);
    c->http = NULL;
    soap_reply_destroy(c->reply);
    c->reply = NULL;
    LIST_FOR_EACH_POP (u, node, &c->updates) {
        vsphere_update_destroy(u);
    }
    c->n_updates = 0;
    c->counters = NULL;
}

/* Keeps what an element of a reply says until all of the reply is there. */
static char *
take_element(const xmlNode *element, void *call_)
{
    struct call *c = call_;
    struct vsphere_update *u = NULL;
    char *problem = (c->counters
                     ? vsphere_averages_parse(element, c->counters, &u)
                     : vsphere_update_parse(element, &u));

    if (u && c->n_updates >= VSPHERE_MAX_OBJECTS) {
        vsphere_update_destroy(u);
        problem = xasprintf("it has more than %d objects",
                            VSPHERE_MAX_OBJECTS);
    } else if (u) {
        ovs_list_push_back(&c->updates, &u->node);
        c->n_updates++;
    }
    return problem;
}

static bool
take_body(struct slice piece, void *reply)
{
    return soap_reply_feed(reply, piece);
}

/* Starts a call; takes 'request'.  'element' is what its reply has many of, or
 * null. */
static void
call_start(struct vsphere_session *s, struct call *c, char *request,
           const char *element, unsigned int timeout_ms)
{
    call_clear(c);
    c->reply = soap_reply_create(element ? MAX_REPLY : MAX_SMALL_REPLY,
                                 element, take_element, c);
    c->http = http_call_start(s->http, request, timeout_ms, STALL_MS,
                              take_body, c->reply);
    credentials_free(request);
}

/* Creating. */

static void
service_clear(struct vsphere_service *service)
{
    free(service->root_folder);
    free(service->property_collector);
    free(service->view_manager);
    free(service->session_manager);
    free(service->custom_fields);
    free(service->performance);
    free(service->view);
    *service = (struct vsphere_service) { NULL };
}

struct vsphere_session *
vsphere_session_create(const struct vsphere_options *options)
{
    struct vsphere_session *s = xzalloc(sizeof *s);

    s->name = xstrdup(options->name);
    s->credentials_file = xstrdup(options->credentials_file);
    s->poll_ms = options->poll_ms;
    s->averages.interval_ms = options->average_ms;
    s->http = http_client_create(&options->http);
    s->version = xstrdup("");
    s->model = vsphere_model_create(VSPHERE_MAX_BYTES);
    ovs_list_init(&s->main.updates);
    ovs_list_init(&s->aux.updates);
    return s;
}

/* Ends the session, if there is one, without waiting for long: vCenter keeps a
 * limited number of them. */
static void
log_out(struct vsphere_session *s)
{
    long long int deadline = time_msec() + LOGOUT_MS;

    if (s->state != WAIT) {
        return;
    }
    call_clear(&s->aux);
    call_start(s, &s->main, vsphere_request_logout(&s->service), NULL,
               LOGOUT_MS);
    do {
        http_client_wait(s->http);
        poll_timer_wait_until(deadline);
        poll_block();
        http_client_run(s->http);
    } while (!http_call_has_ended(s->main.http) && time_msec() < deadline);
}

void
vsphere_session_destroy(struct vsphere_session *s)
{
    if (s) {
        log_out(s);
        call_clear(&s->main);
        call_clear(&s->aux);
        http_client_destroy(s->http);
        service_clear(&s->service);
        vsphere_model_destroy(s->model);
        vsphere_model_destroy(s->next);
        free(s->version);
        free(s->aux_token);
        free(s->problem);
        free(s->aux_problem);
        free(s->credentials_file);
        free(s->name);
        free(s);
    }
}

/* What goes wrong. */

/* Sets '*old', one of the two problems of a session. */
static void
set_problem(char **old, char *problem)
{
    if (!nullable_string_is_equal(*old, problem)) {
        VLOG_WARN_RL(&rl, "%s  What is known stays as it was.", problem);
    }
    free(*old);
    *old = problem;
}

static void
clear_problem(const struct vsphere_session *s, char **old, const char *now)
{
    if (*old) {
        VLOG_INFO_RL(&rl, "%s: %s", s->name, now);
    }
    free(*old);
    *old = NULL;
}

/* Gives up what is under way. */
static void
abandon(struct vsphere_session *s)
{
    call_clear(&s->main);
    call_clear(&s->aux);
    free(s->aux_token);
    s->aux_token = NULL;
    s->task = TASK_NONE;
    vsphere_model_destroy(s->next);
    s->next = NULL;
}

/* Begins anew after a while: takes 'problem', a sentence without its full
 * stop, about the call under way.  'at_least' says how long the while is at
 * least. */
static void
fail(struct vsphere_session *s, char *problem, unsigned int at_least)
{
    s->n_failures++;
    s->backoff_ms = MIN(MAX(s->backoff_ms * 2, MIN_BACKOFF_MS),
                        MAX_BACKOFF_MS);
    /* Proxies that started together do not come back together. */
    unsigned int wait_ms = MAX(s->backoff_ms, at_least);
    s->not_before = time_msec() + wait_ms * 3 / 4
                    + random_range(wait_ms / 2 + 1);
    set_problem(&s->problem,
                xasprintf("%s: %s: %s; trying again.", s->name,
                          state_names[s->state], problem));
    free(problem);

    abandon(s);
    s->state = (http_client_has_cookies(s->http)
                && s->service.session_manager ? LOGOUT : CONTENT);
}

/* Whether the session is gone, which happens now and then. */
static bool
is_session_lost(const char *fault)
{
    return !strcmp(fault, "NotAuthenticated")
           || !strcmp(fault, "NotAuthenticatedFault");
}

/* Logs in anew without delay, unless that was done just now. */
static void
renew_session(struct vsphere_session *s)
{
    if (s->backoff_ms || time_msec() - s->logged_in_at < MIN_SESSION_MS) {
        fail(s, xstrdup("it ended our session soon after the login"), 0);
    } else {
        VLOG_INFO_RL(&rl, "%s: it ended our session; logging in again",
                     s->name);
        s->backoff_ms = MIN_BACKOFF_MS;
        abandon(s);
    }
    s->state = CONTENT;
    http_client_forget(s->http);
}

/* Says what a fault is.  If the request had a secret, the reply may have it,
 * too: in its text, and where else not only letters may stand. */
static char *
describe_fault(const char *name, const char *text, bool had_secret)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    if (!had_secret) {
        return xasprintf("it refused: %s (%s)", name, text);
    }
    return (name[strspn(name, letters)]
            ? xstrdup("it refused, with a fault that has no proper name")
            : xasprintf("it refused: %s", name));
}

/* Finds out whether the call 'c', which has ended, went well.  Returns null,
 * or a malloc()ed sentence without full stop; and the fault's name in
 * '*ret_fault', malloc()ed, or null if it was none.  The sentence has nothing
 * of the reply that may be the secret if the request 'had_secret'. */
static char *
judge(struct call *c, bool had_secret, char **ret_fault)
{
    bool is_whole = !http_call_problem(c->http)
                    && soap_reply_finish(c->reply);
    const char *why = soap_reply_problem(c->reply);
    char *text;

    *ret_fault = NULL;
    if (!is_whole) {
        return (!why ? xstrdup(http_call_problem(c->http))
                : had_secret ? xstrdup("the reply is refused: it is none")
                : xasprintf("the reply is refused: %s", why));
    }
    *ret_fault = soap_reply_fault(c->reply, &text);
    if (*ret_fault) {
        char *problem = describe_fault(*ret_fault, text, had_secret);
        free(text);
        return problem;
    }
    return (http_call_status(c->http) == 200 ? NULL
            : xstrdup("it answered with HTTP status 500 and no fault"));
}

/* Takes replies. */

/* Returns a text that means something to the server alone, malloc()ed, or null
 * if there is none that can stand in a request. */
static char *
take_token(const xmlNode *parent, const char *name)
{
    char *text = soap_text(soap_child(parent, name), MAX_VERSION + 1);

    if (!text[0] || strlen(text) > MAX_VERSION
        || !is_printable(slice_from_string(text))) {
        free(text);
        return NULL;
    }
    return text;
}

static char *
take_content(struct vsphere_session *s, const xmlNode *value)
{
    struct vsphere_service *service = &s->service;
    const xmlNode *about = soap_child(value, "about");
    char *what = soap_text(soap_child(about, "fullName"), 100);
    char *printable = make_printable(what, 100);

    free(what);
    service_clear(service);
    service->root_folder = vsphere_request_id(value, "rootFolder");
    service->property_collector = vsphere_request_id(value, "propertyCollector");
    service->view_manager = vsphere_request_id(value, "viewManager");
    service->session_manager = vsphere_request_id(value, "sessionManager");
    service->custom_fields = vsphere_request_id(value, "customFieldsManager");
    service->performance = vsphere_request_id(value, "perfManager");
    s->averages.counters = (struct vsphere_counters) { 0 };
    VLOG_DBG_RL(&rl, "%s: %s", s->name, printable);
    free(printable);
    if (!service->root_folder || !service->property_collector
        || !service->view_manager || !service->session_manager) {
        return xstrdup("it does not say what it has, and may be no vCenter");
    }
    s->state = LOGIN;
    return NULL;
}

static char *
take_view(struct vsphere_session *s, const xmlNode *reply)
{
    free(s->service.view);
    s->service.view = vsphere_request_id(reply, "returnval");
    if (!s->service.view) {
        return xstrdup("it names no view");
    }
    s->state = FILTER;
    return NULL;
}

static void
take_filter(struct vsphere_session *s)
{
    free(s->version);
    s->version = xstrdup("");
    vsphere_model_destroy(s->next);
    s->next = vsphere_model_create(VSPHERE_MAX_BYTES);
    s->state = WAIT;
}

/* Applies the updates of 'c' to 'm'. */
static char *
apply(struct vsphere_session *s, struct call *c, struct vsphere_model *m)
{
    uint64_t now = time_wall_usec() * UINT64_C(1000);
    struct vsphere_update *u;

    char *problem = NULL;

    LIST_FOR_EACH (u, node, &c->updates) {
        s->n_updates++;
        problem = vsphere_model_apply(m, u, now);
        if (problem) {
            break;
        }
    }
    return problem;
}

/* All of an inventory is there. */
static void
take_inventory(struct vsphere_session *s)
{
    vsphere_model_inherit(s->next, s->model);
    vsphere_model_destroy(s->model);
    s->model = s->next;
    s->next = NULL;
    s->poll_at = time_msec();
    s->is_polling = false;
    VLOG_INFO_RL(&rl, "%s: %"PRIuSIZE" VMs", s->name,
                 vsphere_model_n_vms(s->model));
}

static char *
take_updates(struct vsphere_session *s, const xmlNode *value)
{
    if (value) {
        const xmlNode *truncated = soap_child(value, "truncated");
        char *text = soap_text(truncated, 5);
        bool is_whole = strcmp(text, "true") && strcmp(text, "1");
        char *version = take_token(value, "version");

        free(text);
        if (!version) {
            return xstrdup("its answer has no version");
        }
        free(s->version);
        s->version = version;

        char *problem = apply(s, &s->main, s->next ? s->next : s->model);
        if (problem) {
            return problem;
        }
        s->has_changed |= !s->next && s->main.n_updates;
        if (s->next && is_whole) {
            take_inventory(s);
            s->has_changed = true;
        }
    } else if (s->next) {
        return xstrdup("it has nothing to say at all");
    }

    s->n_answers++;
    if (!s->next) {
        s->heard_at = time_msec();
        s->backoff_ms = 0;
        clear_problem(s, &s->problem, "it is well again");
    }
    return NULL;
}

static void
finish_main(struct vsphere_session *s)
{
    const xmlNode *reply = NULL, *value = NULL;
    char *fault;
    char *problem = judge(&s->main, s->state == LOGIN, &fault);

    if (!problem) {
        reply = soap_reply_body(s->main.reply);
        value = soap_child(reply, "returnval");
    }
    if (fault && is_session_lost(fault) && s->state != LOGOUT) {
        renew_session(s);
        free(problem);
        problem = NULL;
    } else if (s->state == LOGOUT) {
        /* If that fails it is over, too. */
        http_client_forget(s->http);
        s->state = CONTENT;
        free(problem);
        problem = NULL;
    } else if (!problem) {
        switch (s->state) {
        case CONTENT:
            problem = take_content(s, value);
            break;
        case LOGIN:
            s->n_logins++;
            s->logged_in_at = time_msec();
            s->state = VIEW;
            break;
        case VIEW:
            problem = take_view(s, reply);
            break;
        case FILTER:
            take_filter(s);
            break;
        case WAIT:
            problem = take_updates(s, value);
            s->not_before = time_msec() + MIN_WAIT_MS;
            break;
        case LOGOUT:
        default:
            OVS_NOT_REACHED();
        }
    }
    if (problem) {
        fail(s, problem, s->state == LOGIN ? LOGIN_BACKOFF_MS : 0);
    }
    free(fault);
    call_clear(&s->main);
}

/* Starts what is next. */

static void
start_login(struct vsphere_session *s)
{
    char *user, *password;
    char *sentence = credentials_read(s->credentials_file, &user, &password);

    if (sentence) {
        sentence[strlen(sentence) - 1] = '\0';
        fail(s, sentence, 0);
        return;
    }
    http_client_forget(s->http);
    call_start(s, &s->main,
               vsphere_request_login(&s->service, user, password), NULL,
               CALL_TIMEOUT_MS);
    credentials_free(user);
    credentials_free(password);
}

static void
start_main(struct vsphere_session *s)
{
    char *request = NULL;

    switch (s->state) {
    case CONTENT:
        request = vsphere_request_content();
        break;
    case LOGIN:
        start_login(s);
        break;
    case VIEW:
        request = vsphere_request_view(&s->service);
        break;
    case FILTER:
        request = vsphere_request_filter(&s->service);
        break;
    case LOGOUT:
        request = vsphere_request_logout(&s->service);
        break;
    case WAIT:
        call_start(s, &s->main,
                   vsphere_request_wait(&s->service, s->version, WAIT_S,
                                        MAX_UPDATES),
                   "objectSet", WAIT_TIMEOUT_MS);
        break;
    default:
        OVS_NOT_REACHED();
    }
    if (request) {
        call_start(s, &s->main, request, NULL, CALL_TIMEOUT_MS);
    }
}

/* The second call. */

static void
retrieve(struct vsphere_session *s, enum task task, enum vsphere_how how,
         const struct ds *objects)
{
    s->task = task;
    call_start(s, &s->aux,
               vsphere_request_retrieve(&s->service, how,
                                        ds_cstr_ro(objects)),
               "objects", CALL_TIMEOUT_MS);
}

static void
start_averages(struct vsphere_session *s)
{
    bool has_counters = s->averages.counters.cpu != 0;
    char *request = vsphere_averages_next(&s->averages, &s->service, s->model);

    s->task = has_counters ? TASK_AVERAGE : TASK_COUNTERS;
    if (request) {
        call_start(s, &s->aux, request, has_counters ? "returnval" : NULL,
                   CALL_TIMEOUT_MS);
        s->aux.counters = has_counters ? &s->averages.counters : NULL;
    } else {
        s->has_changed = true;
    }
}

static void
start_aux(struct vsphere_session *s)
{
    struct ds objects = DS_EMPTY_INITIALIZER;

    if (s->aux_token) {
        call_start(s, &s->aux,
                   vsphere_request_continue(&s->service, s->aux_token),
                   "objects", CALL_TIMEOUT_MS);
        free(s->aux_token);
        s->aux_token = NULL;
    } else if (vsphere_model_take_partial(s->model, ASK_AT_ONCE, &objects)) {
        retrieve(s, TASK_PARTIAL, VSPHERE_PUSHED, &objects);
    } else if (vsphere_model_take_unasked(s->model, ASK_AT_ONCE, &objects)) {
        retrieve(s, TASK_ASK, VSPHERE_ASKED, &objects);
    } else if (s->poll_ms && (s->is_polling || time_msec() >= s->poll_at)) {
        s->is_polling = vsphere_model_take_unpolled(s->model, POLL_AT_ONCE,
                                                    &objects) > 0;
        if (s->is_polling) {
            retrieve(s, TASK_POLL, VSPHERE_POLLED, &objects);
        } else {
            s->poll_at = time_msec() + s->poll_ms;
            s->has_changed = true;
        }
    } else if (vsphere_averages_are_due(&s->averages, &s->service)) {
        start_averages(s);
    } else if (!s->poll_ms) {
        clear_problem(s, &s->aux_problem, "no properties are missing");
    }
    ds_destroy(&objects);
}

static void
finish_aux(struct vsphere_session *s)
{
    char *fault;
    char *problem = judge(&s->aux, false, &fault);

    if (fault && is_session_lost(fault)) {
        renew_session(s);
        free(fault);
        free(problem);
        return;
    }
    if (!problem) {
        const xmlNode *reply = soap_reply_body(s->aux.reply);

        s->aux_token = take_token(soap_child(reply, "returnval"), "token");
        problem = (s->task == TASK_COUNTERS
                   ? vsphere_counters_take(reply, &s->averages.counters)
                   : apply(s, &s->aux, s->model));
    }
    if (problem) {
        free(s->aux_token);
        s->aux_token = NULL;
        s->n_failures++;
        vsphere_model_ask_again(s->model);
        if (s->task >= TASK_COUNTERS) {
            vsphere_averages_give_up(&s->averages);
        }
        s->aux_not_before = time_msec() + 10 * MIN_BACKOFF_MS;
        set_problem(&s->aux_problem,
                    xasprintf("%s: asking for properties: %s; trying again.",
                              s->name, problem));
        free(problem);
    } else if (!s->aux_token) {
        if (s->task < TASK_POLL) {
            vsphere_model_note_answer(s->model);
        }
        clear_problem(s, &s->aux_problem, "it tells properties again");
    }
    s->has_changed |= s->task < TASK_POLL;
    s->aux_not_before = MAX(s->aux_not_before, time_msec() + MIN_AUX_MS);
    call_clear(&s->aux);
    free(fault);
}

/* The loop. */

bool
vsphere_session_run(struct vsphere_session *s)
{
    http_client_run(s->http);
    if (s->main.http && http_call_has_ended(s->main.http)) {
        finish_main(s);
    }
    if (s->aux.http && http_call_has_ended(s->aux.http)) {
        finish_aux(s);
    }
    if (!s->main.http && time_msec() >= s->not_before) {
        start_main(s);
    }
    if (!s->aux.http && s->state == WAIT && !s->next
        && time_msec() >= s->aux_not_before) {
        start_aux(s);
    }

    bool has_changed = s->has_changed;
    s->has_changed = false;
    return has_changed;
}

void
vsphere_session_wait(struct vsphere_session *s)
{
    http_client_wait(s->http);
    if (!s->main.http) {
        poll_timer_wait_until(s->not_before);
    }
    if (!s->aux.http && s->state == WAIT && !s->next) {
        if (s->aux_not_before > time_msec()) {
            poll_timer_wait_until(s->aux_not_before);
        } else if (s->poll_ms) {
            poll_timer_wait_until(s->is_polling ? 0 : s->poll_at);
        }
        if (s->averages.interval_ms && s->service.performance) {
            poll_timer_wait_until(MAX(s->aux_not_before,
                                      s->averages.is_under_way ? 0
                                      : s->averages.at));
        }
    }
}

void
vsphere_session_hurry(struct vsphere_session *s)
{
    s->not_before = 0;
    s->aux_not_before = 0;
}

const char *
vsphere_session_problem(const struct vsphere_session *s)
{
    return s->problem ? s->problem : s->aux_problem;
}

long long int
vsphere_session_heard_at(const struct vsphere_session *s)
{
    return s->heard_at;
}

const struct vsphere_model *
vsphere_session_model(const struct vsphere_session *s)
{
    return s->model;
}

void
vsphere_session_put_status(const struct vsphere_session *s, struct ds *status)
{
    ds_put_format(status, "%s: %"PRIuSIZE" VMs, %llu logins, %llu failures, "
                  "%"PRIuSIZE" properties that may not be read\n", s->name,
                  vsphere_model_n_vms(s->model), s->n_logins, s->n_failures,
                  vsphere_model_n_missing(s->model));
}
