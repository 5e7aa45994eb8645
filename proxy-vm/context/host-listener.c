/* SPDX-License-Identifier: Apache-2.0
 *
 * Where hypervisors connect to report.  See host-listener.h. */
#include <config.h>

#include "host-listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host-report.h"
#include "host-session.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/token-bucket.h"
#include "openvswitch/vlog.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(host_listener);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 20);

enum {
    BACKLOG = 64,
    RETRY_MS = 1000,            /* To bind, or after a want of descriptors. */
    MAX_STRANGERS = 64,         /* That did not prove who they are. */
    HANDSHAKE_MS = 10 * 1000,   /* Until it is proven. */
    IDLE_MS = 2 * HOST_REPORT_MAX_INTERVAL_MS,
    HANDSHAKES_PER_S = 50,
    HANDSHAKE_BURST = 100,
    PEER_HANDSHAKES_PER_S = 10, /* So that there are some for the others. */
    PEER_HANDSHAKE_BURST = 20,
    REPORT_MS = 1000,           /* From one report to the next... */
    REPORT_BURST = 5,           /* ...but for so many. */
    MAX_MEMORY = 64 * 1024 * 1024, /* Of what is coming in. */
};

struct session {
    struct ovs_list node;       /* In 'sessions' of the listener. */
    struct host_session *conn;
    struct host_peer *peer;     /* Null: a stranger, until... */
    bool is_proven;             /* ...the start. */
    bool is_claiming;           /* Its hello waits for its turn... */
    bool is_next;               /* ...no more among those of its host. */
    long long int by;           /* When it ends unless a report comes. */
};

struct host_peer {
    struct ovs_list node;
    struct host_listener *listener;
    char *name;
    uint8_t key[32];
    struct host_counts *counts;
    struct session *session;    /* The proven one. */
    bool has_turn;              /* Its session may be read from. */
    struct token_bucket turns;  /* A token is a millisecond. */
    struct token_bucket handshakes; /* A token is a thousandth. */
    Sluice__HostReport *report; /* Not taken yet. */
    char *end;
};

struct host_listener {
    struct ovs_list node;       /* In 'listeners'. */
    unsigned int n_refs;
    char *address;              /* ADDR:PORT */
    char *key_file;
    struct seal_key *key;
    int fd;                     /* Negative: it could not be bound yet. */
    long long int retry_at;
    char *problem;
    struct ovs_list peers;
    struct ovs_list sessions;   /* The oldest first. */
    size_t n_strangers;
    size_t memory;              /* Of the sessions. */
    struct token_bucket handshakes; /* A token is a thousandth. */
    struct {
#define LISTENER_COUNT(FIELD, NAME, TEXT) uint64_t FIELD;
#include "host-counts.def"
#undef LISTENER_COUNT
    } counts;
};

static struct ovs_list listeners = OVS_LIST_INITIALIZER(&listeners);

/* Its beginning. */

/* Reads the key pair, made if it is not there.  Returns null or a malloc()ed
 * sentence. */
static char *
read_key(const char *path, struct seal_key **ret)
{
    char *public = xasprintf("%s.pub", path);
    int error = seal_key_generate(path, public);

    if (!error) {
        VLOG_INFO("%s: made the key pair for reports of hosts; hosts need "
                  "%s", path, public);
    }
    if (!error || error == EEXIST) {
        error = seal_key_read(path, ret);
    }
    if (!error) {
        error = seal_key_publish(*ret, public);
    }
    free(public);
    return (error ? xasprintf("%s: this key pair can't be used: %s; restore "
                              "it, with mode 0600.", path,
                              ovs_strerror(error))
            : NULL);
}

static void
set_problem(struct host_listener *l, char *problem)
{
    if (problem && !l->problem) {
        VLOG_WARN("%s", problem);
    }
    free(l->problem);
    l->problem = problem;
}

/* inet_open_passive() wants the port first. */
static char *
passive_target(const char *address)
{
    const char *colon = strrchr(address, ':');

    return (colon ? xasprintf("%s:%.*s", colon + 1, (int) (colon - address),
                              address)
            : xstrdup(address));
}

/* Gets what it needs, unless it has it. */
static void
begin(struct host_listener *l)
{
    char *sentence = NULL;

    if (l->fd >= 0 || time_msec() < l->retry_at) {
        return;
    }
    if (!l->key) {
        sentence = read_key(l->key_file, &l->key);
    }
    if (!sentence) {
        char *target = passive_target(l->address);
        l->fd = inet_open_passive(SOCK_STREAM, target, -1, NULL, 0, false);
        free(target);
        if (l->fd < 0) {
            sentence = xasprintf("context.host-listen: TCP at %s can't be "
                                 "listened at: %s; give another address.",
                                 l->address, ovs_strerror(-l->fd));
        } else {
            /* Once more, for a longer queue. */
            listen(l->fd, BACKLOG);
            VLOG_INFO("hosts may report at %s, port %u", l->address,
                      host_listener_port(l));
        }
    }
    if (sentence) {
        l->retry_at = time_msec() + RETRY_MS;
    }
    set_problem(l, sentence);
}

struct host_listener *
host_listener_ref(const char *address, const char *key_file)
{
    struct host_listener *l;

    LIST_FOR_EACH (l, node, &listeners) {
        if (!strcmp(l->address, address) && !strcmp(l->key_file, key_file)) {
            l->n_refs++;
            return l;
        }
    }
    l = xzalloc(sizeof *l);
    l->n_refs = 1;
    l->address = xstrdup(address);
    l->key_file = xstrdup(key_file);
    l->fd = -1;
    ovs_list_init(&l->peers);
    ovs_list_init(&l->sessions);
    token_bucket_init(&l->handshakes, HANDSHAKES_PER_S,
                      HANDSHAKE_BURST * 1000);
    ovs_list_push_back(&listeners, &l->node);
    begin(l);
    return l;
}

static void session_end(struct host_listener *, struct session *);

void
host_listener_unref(struct host_listener *l)
{
    struct session *s;

    if (!l || --l->n_refs) {
        return;
    }
    LIST_FOR_EACH_SAFE (s, node, &l->sessions) {
        session_end(l, s);
    }
    if (l->fd >= 0) {
        close(l->fd);
    }
    ovs_list_remove(&l->node);
    seal_key_destroy(l->key);
    free(l->address);
    free(l->key_file);
    free(l->problem);
    free(l);
}

const char *
host_listener_problem(const struct host_listener *l)
{
    return l->problem;
}

unsigned int
host_listener_port(const struct host_listener *l)
{
    struct sockaddr_storage ss;
    socklen_t size = sizeof ss;

    return (l->fd >= 0 && !getsockname(l->fd, (struct sockaddr *) &ss, &size)
            ? ss_get_port(&ss) : 0);
}

/* Hosts. */

static struct host_peer *
find_peer(const struct host_listener *l, const uint8_t key[32])
{
    struct host_peer *peer;

    LIST_FOR_EACH (peer, node, &l->peers) {
        if (!memcmp(peer->key, key, sizeof peer->key)) {
            return peer;
        }
    }
    return NULL;
}

struct host_peer *
host_peer_add(struct host_listener *l, const char *name,
              const uint8_t key[32], struct host_counts *counts)
{
    if (find_peer(l, key)) {
        return NULL;
    }
    struct host_peer *peer = xzalloc(sizeof *peer);

    peer->listener = l;
    peer->name = xstrdup(name);
    memcpy(peer->key, key, sizeof peer->key);
    peer->counts = counts;
    token_bucket_init(&peer->turns, 1, REPORT_BURST * REPORT_MS);
    token_bucket_init(&peer->handshakes, PEER_HANDSHAKES_PER_S,
                      PEER_HANDSHAKE_BURST * 1000);
    ovs_list_push_back(&l->peers, &peer->node);
    return peer;
}

void
host_peer_remove(struct host_peer *peer)
{
    struct session *s;

    if (!peer) {
        return;
    }
    LIST_FOR_EACH_SAFE (s, node, &peer->listener->sessions) {
        if (s->peer == peer) {
            session_end(peer->listener, s);
        }
    }
    ovs_list_remove(&peer->node);
    host_report_free(peer->report);
    free(peer->name);
    free(peer->end);
    free(peer);
}

bool
host_peer_is_first(const struct host_peer *peer)
{
    return ovs_list_front(&peer->listener->peers) == &peer->node;
}

bool
host_peer_has_report(const struct host_peer *peer)
{
    return peer->report != NULL;
}

Sluice__HostReport *
host_peer_take_report(struct host_peer *peer)
{
    Sluice__HostReport *report = peer->report;

    peer->report = NULL;
    return report;
}

bool
host_peer_is_connected(const struct host_peer *peer)
{
    return peer->session != NULL;
}

const char *
host_peer_end(const struct host_peer *peer)
{
    return peer->end;
}

/* Sessions. */

static void
session_end(struct host_listener *l, struct session *s)
{
    l->memory -= host_session_size(s->conn);
    if (!s->is_proven) {
        l->n_strangers--;
    } else if (s->peer->session == s) {
        s->peer->session = NULL;
    }
    ovs_list_remove(&s->node);
    host_session_destroy(s->conn);
    free(s);
}

/* Ends it, and says why. */
static void
session_fail(struct host_listener *l, struct session *s, const char *why)
{
    if (s->peer && s->is_proven) {
        free(s->peer->end);
        s->peer->end = xstrdup(why);
        VLOG_WARN_RL(&rl, "host %s at %s: the session is over: %s",
                     s->peer->name, host_session_peer(s->conn), why);
    } else {
        VLOG_INFO_RL(&rl, "%s: a connection ended that was no host's: %s",
                     host_session_peer(s->conn), why);
    }
    session_end(l, s);
}

static void
session_add(struct host_listener *l, int fd, const char *peer)
{
    struct session *s;

    if (l->n_strangers >= MAX_STRANGERS) {
        LIST_FOR_EACH (s, node, &l->sessions) {
            if (!s->is_proven) {
                l->counts.crowded_out++;
                session_fail(l, s, "others connected since");
                break;
            }
        }
    }
    s = xzalloc(sizeof *s);
    s->conn = host_session_create(fd, peer);
    s->by = time_msec() + HANDSHAKE_MS;
    ovs_list_push_back(&l->sessions, &s->node);
    l->n_strangers++;
}

static void
accept_sessions(struct host_listener *l)
{
    for (int i = 0; i < BACKLOG && time_msec() >= l->retry_at; i++) {
        struct sockaddr_storage ss;
        socklen_t size = sizeof ss;
        int fd = accept4(l->fd, (struct sockaddr *) &ss, &size,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            struct ds peer = DS_EMPTY_INITIALIZER;

            ss_format_address(&ss, &peer);
            ds_put_format(&peer, ":%u", ss_get_port(&ss));
            session_add(l, fd, ds_cstr(&peer));
            ds_destroy(&peer);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            break;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS
                   || errno == ENOMEM) {
            VLOG_WARN_RL(&rl, "can't accept: %s", ovs_strerror(errno));
            l->retry_at = time_msec() + RETRY_MS;
        }
    }
}

/* Returns true if it is the turn of a hello.  Whoever recorded one can say it
 * again, so those of one host's may not use up all turns. */
static bool
may_answer(struct host_listener *l, struct session *s,
           struct host_peer *peer)
{
    s->is_next = (s->is_next
                  || token_bucket_withdraw(&peer->handshakes, 1000));
    return s->is_next && token_bucket_withdraw(&l->handshakes, 1000);
}

/* Answers a hello.  Returns false if the session is gone, or has to wait. */
static bool
answer(struct host_listener *l, struct session *s)
{
    struct host_peer *peer = find_peer(l, host_session_claim(s->conn));

    s->is_claiming = peer && !may_answer(l, s, peer);
    if (s->is_claiming) {
        return false;
    } else if (!peer) {
        l->counts.unknown_host++;
        session_fail(l, s, "its key is that of no host");
        return false;
    }
    int error = host_session_answer(s->conn, l->key);
    if (error) {
        l->counts.forged_hello += error == EBADMSG;
        session_fail(l, s, (error == EBADMSG
                            ? "the host did not make its hello, or for "
                              "another proxy"
                            : ovs_strerror(error)));
        return false;
    }
    s->peer = peer;
    return true;
}

/* Whether another session of its host took its place. */
static bool
is_replaced(const struct session *s)
{
    return s->is_proven && s->peer->session != s;
}

/* It is the host: the session is its only one from here on.  The one before
 * ends when its turn comes, since it may be the next one of a walk through the
 * sessions. */
static void
prove(struct host_listener *l, struct session *s)
{
    struct host_peer *peer = s->peer;

    s->is_proven = true;
    l->n_strangers--;
    peer->session = s;
    peer->counts->sessions++;
    s->by = time_msec() + IDLE_MS;
    VLOG_INFO_RL(&rl, "host %s reports from %s", peer->name,
                 host_session_peer(s->conn));
}

/* Takes a message.  Returns false if the session is gone. */
static bool
take_message(struct host_listener *l, struct session *s)
{
    struct host_peer *peer = s->peer;
    const char *why;

    Sluice__HostReport *report
        = host_report_unpack(host_session_message(s->conn), &why);
    if (!report) {
        peer->counts->bad_reports++;
        session_fail(l, s, why);
        return false;
    }
    peer->counts->reports++;
    peer->has_turn = false;
    host_report_free(peer->report);
    peer->report = report;
    s->by = time_msec() + IDLE_MS;
    return true;
}

static void
count_fault(struct host_listener *l, struct session *s)
{
    switch (host_session_fault(s->conn)) {
    case HOST_FAULT_NOT_HELLO:
        l->counts.not_hello++;
        break;
    case HOST_FAULT_FRAME:
        if (s->is_proven) {
            s->peer->counts->bad_frames++;
        } else {
            l->counts.forged_hello++;
        }
        break;
    case HOST_FAULT_MEMORY:
        l->counts.crowded_out++;
        break;
    case HOST_FAULT_NONE:
    default:
        break;
    }
}

/* Returns true if the session may be read from.  A host's turns are those of
 * all its sessions. */
static bool
has_turn(struct session *s)
{
    struct host_peer *peer = s->peer;

    if (s->is_proven && !peer->has_turn) {
        peer->has_turn = token_bucket_withdraw(&peer->turns, REPORT_MS);
        peer->counts->delayed += !peer->has_turn;
    }
    return !s->is_proven || peer->has_turn;
}

/* Does what can be done.  The session may be gone afterwards. */
static void
session_run(struct host_listener *l, struct session *s)
{
    bool goes_on = true;

    while (goes_on && has_turn(s)) {
        size_t before = host_session_size(s->conn);
        enum host_event event
            = host_session_run(s->conn, MAX_MEMORY - (l->memory - before));

        l->memory += host_session_size(s->conn) - before;
        switch (event) {
        case HOST_HELLO:
            goes_on = answer(l, s);
            break;
        case HOST_START:
            prove(l, s);
            break;
        case HOST_MESSAGE:
            goes_on = take_message(l, s);
            break;
        case HOST_END:
            count_fault(l, s);
            session_fail(l, s, host_session_error(s->conn));
            return;
        case HOST_WAIT:
        default:
            goes_on = false;
            break;
        }
    }
}

void
host_listener_run(struct host_listener *l)
{
    struct session *s;

    begin(l);
    if (l->fd < 0) {
        return;
    }
    accept_sessions(l);
    LIST_FOR_EACH_SAFE (s, node, &l->sessions) {
        if (is_replaced(s)) {
            session_end(l, s);
        } else {
            session_run(l, s);
        }
    }
    /* After that: what came while we were busy with something else is not
     * late. */
    LIST_FOR_EACH_SAFE (s, node, &l->sessions) {
        if (!is_replaced(s) && time_msec() >= s->by) {
            l->counts.timeouts++;
            session_fail(l, s, "nothing came for too long");
        }
    }
}

/* Wakes the poll loop when it may be the turn of a hello that waits. */
static void
claim_wait(struct host_listener *l, const struct session *s)
{
    struct host_peer *peer = find_peer(l, host_session_claim(s->conn));

    if (s->is_next || !peer) {
        token_bucket_wait(&l->handshakes, 1000);
    } else {
        token_bucket_wait(&peer->handshakes, 1000);
    }
}

void
host_listener_wait(struct host_listener *l)
{
    struct session *s;

    if (time_msec() < l->retry_at) {
        poll_timer_wait_until(l->retry_at);
    } else if (l->fd >= 0) {
        poll_fd_wait(l->fd, POLLIN);
    } else {
        poll_immediate_wake();
    }
    LIST_FOR_EACH (s, node, &l->sessions) {
        poll_timer_wait_until(s->by);
        if (is_replaced(s)) {
            poll_immediate_wake();
        } else if (s->is_claiming) {
            claim_wait(l, s);
        } else if (s->is_proven && !s->peer->has_turn) {
            token_bucket_wait(&s->peer->turns, REPORT_MS);
        } else {
            host_session_wait(s->conn);
        }
    }
}

void
host_listener_put_status(const struct host_listener *l, struct ds *ds)
{
    ds_put_format(ds, "  listener: %s\n",
                  l->problem ? l->problem : l->address);
#define LISTENER_COUNT(FIELD, NAME, TEXT) \
    ds_put_format(ds, "  "NAME": %"PRIu64"\n", l->counts.FIELD);
#include "host-counts.def"
#undef LISTENER_COUNT
}
