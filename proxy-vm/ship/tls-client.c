/* SPDX-License-Identifier: Apache-2.0
 *
 * The client's side of TLS.  See tls-client.h. */
#include <config.h>

#include "tls-client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "openvswitch/dynamic-string.h"
#include "printable.h"
#include "util.h"

/* Names of a certificate that a sentence lists. */
enum { MAX_NAMES = 4 };

struct tls_client {
    struct tls_options o;
    SSL_CTX *ctx;
    SSL *ssl;
    bool is_broken;             /* Nothing more may be said. */
    bool send_wants_input;
    bool receive_wants_output;
    int alert;                  /* The latest from the server, or -1. */
    char verdict[256];          /* What is wrong with its certificate. */
    char error[256];
};

/* Sentences. */

static void OVS_PRINTF_FORMAT(2, 3)
complain(struct tls_client *c, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(c->error, sizeof c->error, format, args);
    va_end(args);
    c->is_broken = true;
}

/* Returns 'time' as "2026-11-20 17:25:31 UTC", malloc()ed. */
static char *
format_time(const ASN1_TIME *time)
{
    struct tm tm;

    return (ASN1_TIME_to_tm(time, &tm)
            ? xasprintf("%04d-%02d-%02d %02d:%02d:%02d UTC",
                        tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                        tm.tm_hour, tm.tm_min, tm.tm_sec)
            : xstrdup("a time that can't be read"));
}

/* Adds one of the names that the certificate has. */
static void
put_name(struct ds *s, const GENERAL_NAME *name)
{
    char text[INET6_ADDRSTRLEN];

    if (name->type == GEN_IPADD) {
        const ASN1_OCTET_STRING *ip = name->d.iPAddress;
        ds_put_cstr(s, inet_ntop(ip->length == 4 ? AF_INET : AF_INET6,
                                 ip->data, text, sizeof text)
                    && (ip->length == 4 || ip->length == 16) ? text : "?");
    } else {
        char *printable = make_printable((const char *) name->d.dNSName->data,
                                         MIN(name->d.dNSName->length, 64));
        ds_put_cstr(s, printable);
        free(printable);
    }
}

/* Returns the names that the certificate is for, malloc()ed. */
static char *
list_names(X509 *cert)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL,
                                            NULL);
    struct ds s = DS_EMPTY_INITIALIZER;
    char cn[65];
    int n = 0;

    for (int i = 0; i < sk_GENERAL_NAME_num(names) && n < MAX_NAMES; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS || name->type == GEN_IPADD) {
            ds_put_cstr(&s, n++ ? ", " : "");
            put_name(&s, name);
        }
    }
    if (!n && X509_NAME_get_text_by_NID(X509_get_subject_name(cert),
                                        NID_commonName, cn, sizeof cn) > 0) {
        char *printable = make_printable(cn, strlen(cn));
        ds_put_cstr(&s, printable);
        free(printable);
    }
    GENERAL_NAMES_free(names);
    return s.length ? ds_steal_cstr(&s) : xstrdup("nobody");
}

/* Writes down what is wrong with the certificate 'cert' of the server, or with
 * one that it brought along. */
static void
judge(struct tls_client *c, int error, int depth, X509 *cert)
{
    const char *whose = depth ? "a certificate that certifies" : "the "
                        "certificate of";
    char *text;

    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        text = format_time(X509_get0_notAfter(cert));
        snprintf(c->verdict, sizeof c->verdict, "%s %s expired on %s", whose,
                 c->o.server, text);
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        text = format_time(X509_get0_notBefore(cert));
        snprintf(c->verdict, sizeof c->verdict, "%s %s is not valid before "
                 "%s", whose, c->o.server, text);
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        text = list_names(cert);
        snprintf(c->verdict, sizeof c->verdict, "the certificate of %s is "
                 "for %s, not for %s", c->o.server, text, c->o.name);
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        text = NULL;
        snprintf(c->verdict, sizeof c->verdict, "the certificate of %s is "
                 "signed by itself, which nobody vouches for", c->o.server);
        break;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        text = NULL;
        snprintf(c->verdict, sizeof c->verdict, "the certificate of %s is "
                 "signed by nobody whom %s names", c->o.server,
                 c->o.ca_file ? c->o.ca_file : "the system");
        break;
    default:
        text = NULL;
        snprintf(c->verdict, sizeof c->verdict, "%s %s is refused: %s", whose,
                 c->o.server, X509_verify_cert_error_string(error));
        break;
    }
    free(text);
}

static int
check_certificate(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(
        store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_client *c = SSL_get_app_data(ssl);

    if (!ok && !c->verdict[0]) {
        judge(c, X509_STORE_CTX_get_error(store),
              X509_STORE_CTX_get_error_depth(store),
              X509_STORE_CTX_get_current_cert(store));
    }
    return ok;
}

static void
note_alert(const SSL *ssl, int where, int value)
{
    struct tls_client *c = SSL_get_app_data(ssl);

    if (where & SSL_CB_ALERT && where & SSL_CB_READ) {
        c->alert = value;
    }
}

/* Returns the name of 'alert'. */
static const char *
alert_name(int alert)
{
    /* RFC 8446 section 6.2; OpenSSL 3.0 does not know it by name. */
    return ((alert & 0xff) == SSL_AD_CERTIFICATE_REQUIRED
            ? "certificate required" : SSL_alert_desc_string_long(alert));
}

/* Says why OpenSSL gave up, 'ssl_error' being what it said. */
static int
fail(struct tls_client *c, int ssl_error)
{
    unsigned long e = ERR_peek_last_error();
    int reason = ERR_GET_REASON(e);
    int error = errno;
    bool is_open = SSL_is_init_finished(c->ssl);

    c->is_broken = true;
    if (c->verdict[0]) {
        ovs_strlcpy(c->error, c->verdict, sizeof c->error);
    } else if (c->alert >= 0 ? (c->alert & 0xff) == SSL_AD_CLOSE_NOTIFY
               /* OpenSSL says so after a fatal alert, too. */
               : ssl_error == SSL_ERROR_ZERO_RETURN) {
        complain(c, "%s closed the session", c->o.server);
    } else if (c->alert >= 0 && (c->alert & 0xff) == SSL_AD_PROTOCOL_VERSION) {
        complain(c, "%s speaks no TLS of version 1.2 or newer", c->o.server);
    } else if (c->alert >= 0) {
        complain(c, "%s ended the session with the alert \"%s\"", c->o.server,
                 alert_name(c->alert));
    } else if (reason == SSL_R_UNSUPPORTED_PROTOCOL
               || reason == SSL_R_VERSION_TOO_LOW
               || reason == SSL_R_UNKNOWN_PROTOCOL) {
        complain(c, "%s speaks no TLS of version 1.2 or newer", c->o.server);
    } else if (reason == SSL_R_WRONG_VERSION_NUMBER
               || reason == SSL_R_HTTP_REQUEST
               || reason == SSL_R_BAD_RECORD_TYPE) {
        complain(c, "%s does not speak TLS", c->o.server);
    } else if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING
               || (ssl_error == SSL_ERROR_SYSCALL && !e && !error)) {
        complain(c, is_open ? "%s closed the session without a word of TLS"
                 : "%s closed the session in the handshake", c->o.server);
    } else if (ssl_error == SSL_ERROR_SYSCALL && !e) {
        complain(c, "the session to %s broke: %s", c->o.server,
                 ovs_strerror(error));
    } else {
        const char *why = ERR_reason_error_string(e);
        complain(c, "TLS with %s failed: %s", c->o.server,
                 why ? why : "OpenSSL does not say why");
    }
    ERR_clear_error();
    return EPROTO;
}

/* Making a client. */

/* Returns what is wrong with one of the files, malloc()ed. */
static char *
file_problem(const char *path)
{
    unsigned long e = ERR_peek_last_error();
    char *sentence;

    if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS)) {
        sentence = xasprintf("%s can't be read: %s", path,
                             ovs_strerror(errno));
    } else {
        const char *why = ERR_reason_error_string(e);
        sentence = xasprintf("%s is not as it should be: %s", path,
                             why ? why : "OpenSSL does not say why");
    }
    ERR_clear_error();
    return sentence;
}

/* Checks that nobody but us and root can read the key. */
static char *
check_key_file(const char *path)
{
    struct stat st;

    if (stat(path, &st)) {
        return xasprintf("%s can't be read: %s", path, ovs_strerror(errno));
    } else if (st.st_uid != geteuid()
               && (st.st_uid || faccessat(AT_FDCWD, path, R_OK, AT_EACCESS))) {
        return xasprintf("%s does not belong to this program's user, %u; give "
                         "it to that with chown", path,
                         (unsigned int) geteuid());
    } else if (st.st_mode & 077) {
        return xasprintf("others may access %s; give it mode 0600", path);
    }
    return NULL;
}

static int
refuse_pass_phrase(char *buf OVS_UNUSED, int size OVS_UNUSED,
                   int rwflag OVS_UNUSED, void *data OVS_UNUSED)
{
    return -1;                  /* OpenSSL would ask a terminal. */
}

static char *
load_files(struct tls_client *c)
{
    const struct tls_options *o = &c->o;

    SSL_CTX_set_default_passwd_cb(c->ctx, refuse_pass_phrase);
    if (o->ca_file ? !SSL_CTX_load_verify_file(c->ctx, o->ca_file)
        : !SSL_CTX_set_default_verify_paths(c->ctx)) {
        return file_problem(o->ca_file ? o->ca_file : "the CAs of the system");
    }
    if (!o->certificate_file) {
        return NULL;
    }
    char *sentence = check_key_file(o->key_file);
    if (sentence) {
        return sentence;
    } else if (SSL_CTX_use_certificate_chain_file(c->ctx,
                                                  o->certificate_file) != 1) {
        return file_problem(o->certificate_file);
    } else if (SSL_CTX_use_PrivateKey_file(c->ctx, o->key_file,
                                           SSL_FILETYPE_PEM) == 1
               && SSL_CTX_check_private_key(c->ctx) == 1) {
        return NULL;
    } else if (ERR_GET_REASON(ERR_peek_last_error())
               == X509_R_KEY_VALUES_MISMATCH) {
        ERR_clear_error();
        return xasprintf("%s is not the key of the certificate in %s",
                         o->key_file, o->certificate_file);
    }
    return file_problem(o->key_file);
}

/* Has the server's certificate checked for its name, and lets it know. */
static bool
set_name(struct tls_client *c)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(c->ssl);
    struct in6_addr ip;

    if (inet_pton(AF_INET, c->o.name, &ip) == 1
        || inet_pton(AF_INET6, c->o.name, &ip) == 1) {
        return X509_VERIFY_PARAM_set1_ip_asc(param, c->o.name);
    }
    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return (X509_VERIFY_PARAM_set1_host(param, c->o.name, 0)
            && SSL_set_tlsext_host_name(c->ssl, c->o.name));
}

char *
tls_client_create(const struct tls_options *o, int fd,
                  struct tls_client **ret)
{
    struct tls_client *c = xzalloc(sizeof *c);
    char *sentence = NULL;

    c->o = *o;
    c->alert = -1;
    c->is_broken = true;        /* Not yet sound. */
    ERR_clear_error();
    c->ctx = SSL_CTX_new(TLS_client_method());
    if (!c->ctx || !SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION)) {
        sentence = xstrdup("OpenSSL can't begin a session");
        goto out;
    }
    SSL_CTX_set_options(c->ctx, SSL_OP_NO_RENEGOTIATION
                        | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(c->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE
                     | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, check_certificate);
    SSL_CTX_set_info_callback(c->ctx, note_alert);
    sentence = load_files(c);
    if (sentence) {
        goto out;
    }
    c->ssl = SSL_new(c->ctx);
    if (!c->ssl || !SSL_set_app_data(c->ssl, c) || !set_name(c)
        || !SSL_set_fd(c->ssl, fd)) {
        sentence = xstrdup("OpenSSL can't begin a session");
        goto out;
    }
    SSL_set_connect_state(c->ssl);
    c->is_broken = false;
    *ret = c;
    c = NULL;

out:
    tls_client_destroy(c);
    return sentence;
}

void
tls_client_destroy(struct tls_client *c)
{
    if (c) {
        if (c->ssl && !c->is_broken && SSL_is_init_finished(c->ssl)) {
            SSL_shutdown(c->ssl);
        }
        ERR_clear_error();
        SSL_free(c->ssl);
        SSL_CTX_free(c->ctx);
        free(c);
    }
}

/* The session. */

/* Returns the errno for what OpenSSL returned, 'result', and notes in
 * '*crossed' if it waits for the other direction than its own. */
static int
translate(struct tls_client *c, int result, int crossing, bool *crossed)
{
    int error = SSL_get_error(c->ssl, result);

    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        *crossed = error == crossing;
        return EAGAIN;
    }
    return fail(c, error);
}

/* Readies OpenSSL's and the system's error for a call. */
static void
begin_call(void)
{
    ERR_clear_error();
    errno = 0;
}

int
tls_client_handshake(struct tls_client *c)
{
    if (c->is_broken) {
        return EPROTO;
    }
    begin_call();
    int result = SSL_do_handshake(c->ssl);
    return (result == 1 ? 0
            : translate(c, result, SSL_ERROR_WANT_WRITE,
                        &c->receive_wants_output));
}

/* Reads what the server said before it went, most likely an alert that tells
 * why, and leaves the errors as they are. */
static void
read_last_words(struct tls_client *c)
{
    uint8_t buf[4096];
    int error = errno;
    size_t n;

    for (int i = 0; i < 64 && SSL_read_ex(c->ssl, buf, sizeof buf, &n); i++) {
        continue;
    }
    ERR_clear_error();
    errno = error;
}

int
tls_client_send(struct tls_client *c, const uint8_t *data, size_t size,
                size_t *ret_n)
{
    if (c->is_broken) {
        return EPROTO;
    }
    begin_call();
    c->send_wants_input = false;
    int result = SSL_write_ex(c->ssl, data, size, ret_n);
    if (result == 1) {
        return 0;
    }
    if (SSL_get_error(c->ssl, result) == SSL_ERROR_SYSCALL) {
        read_last_words(c);
    }
    return translate(c, result, SSL_ERROR_WANT_READ, &c->send_wants_input);
}

int
tls_client_receive(struct tls_client *c, uint8_t *data, size_t size,
                   size_t *ret_n)
{
    if (c->is_broken) {
        return EPROTO;
    }
    begin_call();
    c->receive_wants_output = false;
    int result = SSL_read_ex(c->ssl, data, size, ret_n);
    return (result == 1 ? 0
            : translate(c, result, SSL_ERROR_WANT_WRITE,
                        &c->receive_wants_output));
}

short
tls_client_events(const struct tls_client *c, bool want_send)
{
    return (POLLIN
            | (c->receive_wants_output || (want_send && !c->send_wants_input)
               ? POLLOUT : 0));
}

uint64_t
tls_client_written(const struct tls_client *c)
{
    return BIO_number_written(SSL_get_wbio(c->ssl));
}

const char *
tls_client_error(const struct tls_client *c)
{
    return c->error;
}
