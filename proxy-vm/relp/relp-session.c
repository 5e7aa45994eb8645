/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A RELP session with a tenant's server.  See relp-session.h.
 *
 * librelp keeps what was not acknowledged and can send it again itself, but
 * has no call that says which messages those are, and none that only receives.
 * What it has:
 *
 * - A debugging callback, which gets each response, with transaction number
 *   and code, before librelp acts on it.  Its text is not part of the contract
 *   but the same in all of librelp 1.0 to 1.13; we take it to the letter only.
 *   The response to "open" must come this way as well, or the session is not
 *   used: so with a librelp that says it otherwise nothing is ever confirmed,
 *   and a sentence tells why.
 *
 * - relpCltSendSyslog() receives before it sends, and refuses, after that, a
 *   message whose length has more than the nine digits that RELP allows
 *   (DATALEN).  With such a one we receive.
 *
 * Transaction numbers are ours to foretell: 1 is "open", and each message has
 * the next.  A response counts if its code is 200 and its number one of a
 * message that is on its way; any other one ends the session.  librelp never
 * sends anything again for us: what a broken session leaves is sluice-ship's
 * to send. */
#include "relp-session.h"

#include <errno.h>
#include <librelp.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "adapter-end.h"

enum {
    WINDOW = 256,               /* Messages on their way, at most. */
    WINDOW_BYTES = 4 * 1024 * 1024,
    MAX_TXNR = 999999000,       /* librelp does not get over 999999999. */
    TOO_LONG = 2000000000,
    MAX_ADDRESSES = 4,
    CLOSE_MS = 2000,
    MAX_FD = 64,
};

/* What librelp says of a response, in its exact words. */
static const char response_text[] =
    "in rsp command handler, txnr %d, code %d, text '%s'\n";
static const char socket_error_text[] = "socket has an error %d\n";

/* TLS 1.2 or newer, and no exchange without certificates. */
static char priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

struct sent {
    bool waits;
    uint32_t group;
    size_t size;
};

static struct {
    const struct relp_options *o;
    struct adapter_marks *marks;
    relpEngine_t *engine;
    relpClt_t *client;
    int fd;

    bool is_open;               /* The response to "open" was seen. */
    bool closing;
    struct sent window[WINDOW]; /* By transaction number. */
    int oldest;                 /* Transaction number: all before it are */
    int next;                   /* acknowledged.  'next': the next one's. */
    size_t n_bytes;             /* On their way. */
    int64_t progress_ms;
    bool progress;              /* Since relp_session_receive(). */

    /* The first error that librelp told of, or rather one with the
     * certificate. */
    relpRetVal said_code;
    char said[256];
    char names[160];            /* Of a certificate that has not ours. */
    int socket_error;
} session = { .fd = -1 };

static void
take_response(int txnr, int code, const char *text)
{
    struct sent *s = &session.window[(unsigned int) txnr % WINDOW];

    if (code != 200) {
        adapter_end_fail("%s refused what it was sent, with response %d \"%s\""
                         ": see its log", session.o->server, code, text);
    } else if (txnr == 1 && !session.is_open) {
        session.is_open = true;
    } else if (txnr >= session.oldest && txnr < session.next && s->waits) {
        s->waits = false;
        session.n_bytes -= s->size;
        adapter_marks_settle(session.marks, s->group, false);
        session.progress_ms = adapter_now_ms();
        session.progress = true;
        while (session.oldest < session.next
               && !session.window[session.oldest % WINDOW].waits) {
            session.oldest++;
        }
    } else if (!session.closing) {
        adapter_end_fail("%s acknowledged message %d, which it was not sent",
                         session.o->server, txnr);
    }
}

static void __attribute__((format(printf, 1, 2)))
hear_debugging(char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (!strcmp(format, response_text)) {
        int txnr = va_arg(args, int);
        int code = va_arg(args, int);
        take_response(txnr, code, va_arg(args, char *));
    } else if (!strcmp(format, socket_error_text)) {
        session.socket_error = va_arg(args, int);
    }
    va_end(args);
}

static void
hear_error(void *aux __attribute__((unused)), char *object, char *text,
           relpRetVal code)
{
    if (!session.said[0]) {
        session.said_code = code;
        snprintf(session.said, sizeof session.said, "%s%s%s",
                 object ? object : "", object && *object ? ": " : "",
                 text ? text : "");
    }
}

static void
hear_certificate_error(void *aux __attribute__((unused)), char *names,
                       char *text, relpRetVal code)
{
    session.said_code = code;
    snprintf(session.said, sizeof session.said, "%s", text ? text : "");
    snprintf(session.names, sizeof session.names, "%s", names ? names : "");
}

static void
hear_generic_error(char *object, char *text, relpRetVal code)
{
    hear_error(NULL, object, text, code);
}

static void
forget_errors(void)
{
    session.said[0] = session.names[0] = '\0';
    session.said_code = 0;
    session.socket_error = 0;
}

/* Ends the program, the session not having opened for the reason 'code'. */
static void __attribute__((noreturn))
fail_open(relpRetVal code)
{
    const struct relp_options *o = session.o;
    const char *why = session.said[0] ? session.said : "no reason given";

    switch (session.said_code) {
    case RELP_RET_AUTH_ERR_NAME:
        adapter_end_fail("the certificate of %s is not of %s but of %s",
                         o->server, o->server_name,
                         session.names[0] ? session.names : "no name");
    case RELP_RET_AUTH_CERT_INVL:
        adapter_end_fail("the certificate of %s is not valid: it is not "
                         "signed by %s, or expired, or not yet valid",
                         o->server, o->ca_file);
    case RELP_RET_AUTH_NO_CERT:
        adapter_end_fail("%s has no certificate", o->server);
    }
    if (session.socket_error) {
        adapter_end_fail("can't connect to %s: %s", o->server,
                         strerror(session.socket_error));
    }
    switch (code) {
    case RELP_RET_TIMED_OUT:
        adapter_end_fail("%s did not answer within %u ms", o->server,
                         o->timeout_ms);
    case RELP_RET_SESSION_BROKEN:
    case RELP_RET_SESSION_CLOSED:
        adapter_end_fail("%s closed the session while it was being opened%s",
                         o->server, o->tls ? ": perhaps it does not take "
                         "our certificate; see its log" : "");
    case RELP_RET_RQD_FEAT_MISSING:
    case RELP_RET_INCOMPAT_OFFERS:
    case RELP_RET_INVALID_OFFER:
    case RELP_RET_INVALID_FRAME:
        adapter_end_fail("%s does not speak RELP as we do (librelp's error "
                         "%d: %s)", o->server, code, why);
    }
    adapter_end_fail("can't open a session with %s (librelp's error %d: %s)",
                     o->server, code, why);
}

/* Ends the program: the session broke for the reason 'code'. */
static void __attribute__((noreturn))
fail_broken(relpRetVal code)
{
    adapter_end_fail("the session with %s broke (librelp's error %d: %s)",
                     session.o->server, code,
                     session.said[0] ? session.said : "closed by the server");
}

/* Ends the program if librelp did not do 'what'. */
static void
must(relpRetVal code, const char *what)
{
    if (code) {
        adapter_end_fail("librelp can't %s (its error %d)", what, code);
    }
}

static unsigned int
to_seconds(unsigned int ms)
{
    return (ms + 999) / 1000;
}

static void
prepare(const struct relp_options *o)
{
    must(relpEngineConstruct(&session.engine), "start");
    must(relpEngineSetDbgprint(session.engine, hear_debugging),
         "tell of responses");
    must(relpEngineSetOnErr(session.engine, hear_error), "tell of errors");
    must(relpEngineSetOnAuthErr(session.engine, hear_certificate_error),
         "tell of certificates");
    must(relpEngineSetOnGenericErr(session.engine, hear_generic_error),
         "tell of errors");
    must(relpEngineSetEnableCmd(session.engine, (unsigned char *) "syslog",
                                eRelpCmdState_Required), "require syslog");
    must(relpEngineCltConstruct(session.engine, &session.client), "start");

    relpClt_t *c = session.client;
    must(relpCltSetTimeout(c, to_seconds(o->timeout_ms)), "set a deadline");
    /* We stop before librelp would wait. */
    must(relpCltSetWindowSize(c, WINDOW + 2), "set the window");
    if (o->tls) {
        must(relpEngineSetTLSLibByName(session.engine, "gnutls"),
             "use GnuTLS");
        must(relpCltEnableTLS(c), "use TLS");
        must(relpCltSetGnuTLSPriString(c, priorities), "use TLS 1.2");
        must(relpCltSetCACert(c, o->ca_file), "set the CA");
        must(relpCltSetOwnCert(c, o->certificate_file), "set a certificate");
        must(relpCltSetPrivKey(c, o->key_file), "set a key");
        must(relpCltSetAuthMode(c, (char *) "name"), "check names");
        must(relpCltAddPermittedPeer(c, o->server_name), "check a name");
    }
}

/* Returns the one internet socket of the process, or -1. */
static int
find_socket(void)
{
    for (int fd = ADAPTER_FD + 1; fd < MAX_FD; fd++) {
        int domain;
        socklen_t size = sizeof domain;

        if (!getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size)
            && (domain == AF_INET || domain == AF_INET6)) {
            return fd;
        }
    }
    return -1;
}

static struct addrinfo *
resolve(const struct relp_options *o)
{
    struct addrinfo hints = {
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICSERV,
    };
    struct addrinfo *addrs;

    int error = getaddrinfo(o->host, o->port, &hints, &addrs);
    if (error) {
        adapter_end_fail("can't find the address of %s: %s", o->server,
                         error == EAI_SYSTEM ? strerror(errno)
                         : gai_strerror(error));
    }
    return addrs;
}

void
relp_session_open(const struct relp_options *o, struct adapter_marks *marks)
{
    relpRetVal code = RELP_RET_IO_ERR;
    unsigned int n = 0;
    int one = 1;

    session.o = o;
    session.marks = marks;
    adapter_deadline_begin(o->timeout_ms, "%s did not open a session within "
                           "%u ms", o->server, o->timeout_ms);
    prepare(o);

    struct addrinfo *addrs = resolve(o);
    for (struct addrinfo *a = addrs; a && n < MAX_ADDRESSES; a = a->ai_next) {
        n++;
    }
    unsigned int each = to_seconds(o->timeout_ms / n);
    must(relpCltSetConnTimeout(session.client, each), "set a deadline");
    for (struct addrinfo *a = addrs; a && n; a = a->ai_next, n--) {
        char host[NI_MAXHOST], port[NI_MAXSERV];

        if (getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof host, port,
                        sizeof port, NI_NUMERICHOST | NI_NUMERICSERV)) {
            continue;
        }
        forget_errors();
        code = relpCltConnect(session.client, a->ai_family,
                              (unsigned char *) port, (unsigned char *) host);
        if (!code) {
            break;
        }
    }
    freeaddrinfo(addrs);
    if (code) {
        fail_open(code);
    }
    if (!session.is_open) {
        adapter_end_fail("this librelp does not tell of the responses that it "
                         "gets, so that nothing could be confirmed; see "
                         "sluice-relp(8)");
    }
    adapter_deadline_end();

    session.oldest = session.next = 2;
    session.fd = find_socket();
    if (session.fd < 0) {
        adapter_end_fail("can't find the socket that librelp opened");
    }
    unsigned int timeout = o->timeout_ms;
    setsockopt(session.fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(session.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout,
               sizeof timeout);
    forget_errors();
}

int
relp_session_fd(void)
{
    return session.fd;
}

bool
relp_session_is_full(void)
{
    return (session.next - session.oldest >= WINDOW
            || session.n_bytes >= WINDOW_BYTES);
}

void
relp_session_send(struct slice message)
{
    struct sent *s = &session.window[session.next % WINDOW];

    if (session.next >= MAX_TXNR) {
        adapter_end_fail("the session with %s has had as many messages as "
                         "RELP can number; it is opened anew",
                         session.o->server);
    }
    if (session.oldest == session.next) {
        session.progress_ms = adapter_now_ms();
    }
    /* This may hear of responses to earlier ones. */
    relpRetVal code = relpCltSendSyslog(
        session.client, (unsigned char *) message.data, message.size);
    if (code) {
        fail_broken(code);
    }
    *s = (struct sent) {
        .waits = true,
        .group = adapter_marks_add_message(session.marks),
        .size = message.size,
    };
    session.n_bytes += message.size;
    session.next++;
}

void
relp_session_begin_burst(void)
{
    relpCltHintBurstBegin(session.client);
}

void
relp_session_end_burst(void)
{
    relpCltHintBurstEnd(session.client);
}

bool
relp_session_receive(void)
{
    static unsigned char nothing[1];
    relpRetVal code = relpCltSendSyslog(session.client, nothing, TOO_LONG);

    if (code != RELP_RET_INVALID_DATALEN) {
        fail_broken(code);
    }
    bool progress = session.progress;
    session.progress = false;
    return progress;
}

int64_t
relp_session_silence_ms(void)
{
    return (session.oldest == session.next ? -1
            : adapter_now_ms() - session.progress_ms);
}

void
relp_session_close(void)
{
    adapter_deadline_begin(CLOSE_MS, "%s did not close the session",
                           session.o->server);
    session.closing = true;
    relpEngineCltDestruct(session.engine, &session.client);
    relpEngineDestruct(&session.engine);
    adapter_deadline_end();
}
