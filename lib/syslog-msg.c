/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads one syslog message; see syslog-msg.h. */
#include "syslog-msg.h"

#include "civil.h"
#include "syslog-time.h"
#include "utf8.h"

#define P SYSLOG_C_PRINT
#define N SYSLOG_C_SD_NAME
#define V SYSLOG_C_VALUE
#define H SYSLOG_C_HOST
#define T SYSLOG_C_TAG
#define I SYSLOG_C_PID
#define L SYSLOG_C_PLAIN
const uint8_t syslog_classes[256] = {
    [0x00 ... 0x1f] = V,
    [' '] = V | L,
    ['!'] = P | N | V | L | I,
    ['"'] = P | I,
    ['#'] = P | N | V | L | I | T,
    ['$'] = P | N | V | L | I,
    ['%'] = P | N | V | L | I | T | H,
    ['&' ... '\''] = P | N | V | L | I,
    ['(' ... ')'] = P | N | V | L | I | T,
    ['*'] = P | N | V | L | I,
    ['+'] = P | N | V | L | I | T,
    [','] = P | N | V | L | I,
    ['-' ... '.'] = P | N | V | L | I | T | H,
    ['/'] = P | N | V | L | I | T,
    ['0' ... '9'] = P | N | V | L | I | T | H,
    [':'] = P | N | V | L | I | H,
    [';' ... '<'] = P | N | V | L | I,
    ['='] = P | V | L | I,
    ['>' ... '?'] = P | N | V | L | I,
    ['@'] = P | N | V | L | I | T | H,
    ['A' ... 'Z'] = P | N | V | L | I | T | H,
    ['['] = P | N | V | L,
    ['\\'] = P | I,
    [']'] = P,
    ['^'] = P | N | V | L | I,
    ['_'] = P | N | V | L | I | T | H,
    ['`'] = P | N | V | L | I,
    ['a' ... 'z'] = P | N | V | L | I | T | H,
    ['{' ... '}'] = P | N | V | L | I,
    ['~'] = P | N | V | L | I | T,
    [0x7f ... 0xff] = V,
};
#undef P
#undef N
#undef V
#undef H
#undef T
#undef I
#undef L

#define BOM "\xef\xbb\xbf"

/* Trailing NULs and line ends are framing, which programs add by habit. */
static struct slice
trim_end(struct slice s)
{
    while (s.size) {
        uint8_t last = s.data[s.size - 1];

        if (last != '\n' && last != '\0') {
            break;
        }
        s.size--;
        if (last == '\n' && s.size && s.data[s.size - 1] == '\r') {
            s.size--;
        }
    }
    return s;
}

/* Takes "<PRI>" off 'c' and returns true, or leaves 'c' alone.  Leading zeros,
 * which neither RFC allows, are let pass. */
static bool
parse_pri(struct cursor *c, uint8_t *ret_pri)
{
    struct cursor t = *c;

    if (!cursor_match(&t, '<')) {
        return false;
    }
    uint32_t pri = cursor_digits(&t, 1, 3);
    if (!cursor_match(&t, '>') || pri > SYSLOG_MAX_PRI) {
        return false;
    }
    *ret_pri = pri;
    *c = t;
    return true;
}

static void
set_time(struct syslog_msg *m, const struct syslog_stamp *stamp)
{
    int64_t s = (stamp->days * S_PER_DAY + stamp->hour * 3600
                 + stamp->minute * 60 + stamp->second - stamp->offset_s);

    if (s > INT64_MIN / NS_PER_S && s < INT64_MAX / NS_PER_S) {
        m->has_time = true;
        m->has_zone = stamp->has_zone;
        m->time_ns = s * NS_PER_S + stamp->ns;
    }
}

/* Returns 's', or nothing if it is NILVALUE. */
static struct slice
or_nil(struct slice s)
{
    return s.size == 1 && s.data[0] == '-' ? slice_of(NULL, 0) : s;
}

/* Takes a header field of 1 to 'max' bytes and the space behind it. */
static inline struct slice
take_field(struct cursor *c, size_t max)
{
    struct slice s = cursor_class(c, syslog_classes, SYSLOG_C_PRINT);

    cursor_expect(c, ' ');
    if (!s.size || s.size > max) {
        cursor_fail(c);
    }
    return or_nil(s);
}

/* Takes an SD-NAME. */
static inline struct slice
take_sd_name(struct cursor *c)
{
    struct slice s = cursor_class(c, syslog_classes, SYSLOG_C_SD_NAME);

    if (!s.size || s.size > SYSLOG_MAX_SD_NAME) {
        cursor_fail(c);
    }
    return s;
}

bool
syslog_is_sd_name(struct slice s)
{
    struct cursor c = cursor_of(s);

    take_sd_name(&c);
    return !c.failed && !c.left;
}

bool
syslog_sd_take(struct cursor *c, struct slice *ret_id)
{
    cursor_expect(c, '[');
    struct slice id = take_sd_name(c);

    while (cursor_match(c, ' ')) {
        take_sd_name(c);
        cursor_expect(c, '=');
        cursor_expect(c, '"');
        cursor_class(c, syslog_classes, SYSLOG_C_VALUE);
        while (cursor_match(c, '\\')) {
            /* Before any other byte a backslash stands for itself. */
            cursor_take(c, 1);
            cursor_class(c, syslog_classes, SYSLOG_C_VALUE);
        }
        cursor_expect(c, '"');
    }
    cursor_expect(c, ']');
    if (c->failed) {
        return false;
    }
    *ret_id = id;
    return true;
}

/* Takes STRUCTURED-DATA and the space behind it, if it is well-formed, into
 * '*sd'.  Otherwise leaves 'c' where it was: it all belongs to the text. */
static void
take_sd(struct cursor *c, struct slice *sd)
{
    struct slice rest = slice_of(c->p, c->left);
    struct cursor t = cursor_of(rest);

    if (!cursor_match(&t, '-')) {
        struct slice id;

        do {
            syslog_sd_take(&t, &id);
        } while (cursor_peek(&t) == '[');
    }

    struct slice s = slice_of(rest.data, rest.size - t.left);
    if (!t.failed && (cursor_match(&t, ' ') || !t.left)
        && utf8_is_valid(s)) {
        *sd = or_nil(s);
        *c = t;
    }
}

/* Reads what follows PRI as RFC 5424 wants it, up to STRUCTURED-DATA without
 * tolerance.  On failure '*m' holds rubbish. */
static bool
parse_rfc5424(struct slice text, struct syslog_msg *m)
{
    struct cursor c = cursor_of(text);

    if (!cursor_match(&c, '1') || !cursor_match(&c, ' ')) {
        return false;
    }
    if (!cursor_match(&c, '-')) {
        struct slice rest = slice_of(c.p, c.left);
        struct syslog_stamp stamp;

        if (!syslog_take_rfc3339(&c, false, &stamp)) {
            return false;
        }
        m->timestamp = slice_of(rest.data, rest.size - c.left);
        set_time(m, &stamp);
    }
    cursor_expect(&c, ' ');
    m->hostname = take_field(&c, SYSLOG_MAX_HOSTNAME);
    m->app_name = take_field(&c, SYSLOG_MAX_APP_NAME);
    m->procid = take_field(&c, SYSLOG_MAX_PROCID);
    m->msgid = take_field(&c, SYSLOG_MAX_MSGID);
    if (c.failed) {
        return false;
    }
    take_sd(&c, &m->sd);
    m->msg = cursor_rest(&c);
    m->dialect = SYSLOG_RFC5424;
    return true;
}

/* What log collectors look for at the start of the text, though it looks like
 * a TAG: CEF, LEEF and CEE ("@cee:") stay whole. */
static inline bool
is_payload(struct slice name)
{
    return (name.data[0] == '@'
            || (name.data[0] == 'C'
                && slice_equal(name, slice_from_string("CEF")))
            || (name.data[0] == 'L'
                && slice_equal(name, slice_from_string("LEEF"))));
}

/* Takes "TAG:" or "TAG[PID]:" and one space behind it into '*m'.  Returns
 * false and leaves 'c' alone if there is none; then '*ret_word' is the word in
 * front of a space that might be a host, or empty. */
static bool
take_tag_or_word(struct cursor *c, struct syslog_msg *m,
                 struct slice *ret_word)
{
    struct cursor t = *c;
    uint8_t common;
    struct slice app_name = cursor_class_common(&t, syslog_classes,
                                                SYSLOG_C_TAG, &common);
    struct slice procid = slice_of(NULL, 0);
    int next = cursor_peek(&t);

    *ret_word = slice_of(NULL, 0);
    if (next == ' ' && common & SYSLOG_C_HOST) {
        *ret_word = app_name;
        return false;
    }
    if (!app_name.size || app_name.size > SYSLOG_MAX_APP_NAME) {
        return false;
    }
    bool has_pid = next == '[';
    if (has_pid) {
        cursor_take(&t, 1);
        procid = cursor_class(&t, syslog_classes, SYSLOG_C_PID);
        if (procid.size > SYSLOG_MAX_PROCID || !cursor_match(&t, ']')) {
            return false;
        }
    }
    /* "http://..." and "12:30" are no tags. */
    if (!cursor_match(&t, ':')
        || (!cursor_match(&t, ' ') && t.left && !has_pid)
        || is_payload(app_name)) {
        return false;
    }
    m->app_name = or_nil(app_name);
    m->procid = or_nil(procid);
    *c = t;
    return true;
}

static inline bool
take_tag(struct cursor *c, struct syslog_msg *m)
{
    struct slice word;

    return take_tag_or_word(c, m, &word);
}

/* Returns true if 's' is a name of Cisco's messages: "%SYS-5-CONFIG_I". */
static bool
is_mnemonic(struct slice s)
{
    struct cursor c = cursor_of(s);

    if (!cursor_match(&c, '%')) {
        return false;
    }
    while (c.left) {
        cursor_until(&c, '-');
        cursor_match(&c, '-');
        int severity = cursor_peek(&c);
        if (severity >= '0' && severity <= '7') {
            cursor_take(&c, 1);
            if (cursor_peek(&c) == '-') {
                return true;
            }
        }
    }
    return false;
}

/* Takes a Cisco message's name, as take_tag() does. */
static bool
take_mnemonic(struct cursor *c, struct syslog_msg *m)
{
    struct cursor t = *c;
    struct syslog_msg tagged;

    if (cursor_peek(c) != '%' || !take_tag(&t, &tagged)
        || !is_mnemonic(tagged.app_name)) {
        return false;
    }
    m->app_name = tagged.app_name;
    m->procid = tagged.procid;
    *c = t;
    return true;
}

/* Takes 'text' off 'c' if it comes next. */
static bool
take_text(struct cursor *c, const char *text)
{
    struct cursor t = *c;

    if (!slice_equal(cursor_take(&t, strlen(text)),
                     slice_from_string(text))) {
        return false;
    }
    *c = t;
    return true;
}

/* Decides whether 's', of SYSLOG_C_HOST, can be a host: "--" and "word:" are
 * none, "-" stands for none, and "::1" and "fe80::" are addresses. */
static inline bool
is_hostname(struct slice s)
{
    uint8_t first = s.data[0];
    uint8_t letter = first | 0x20;

    return (s.size <= SYSLOG_MAX_HOSTNAME
            && ((letter >= 'a' && letter <= 'z')
                || (first >= '0' && first <= '9')
                || first == ':'
                || (s.size == 1 && first == '-'))
            && (s.data[s.size - 1] != ':'
                || (s.size > 1 && s.data[s.size - 2] == ':')));
}

/* Takes a host and what ends it into '*ret', or leaves 'c' alone: "HOST ",
 * "[ADDRESS] " or AIX's "Message forwarded from HOST: ".  'word' is the word
 * in front of a space that comes next, or empty. */
static bool
take_host(struct cursor *c, struct slice word, struct slice *ret)
{
    struct cursor t = *c;
    struct slice host = word;

    if (word.size && word.data[0] != 'M') {
        cursor_take(&t, word.size);
    } else {
        bool forwarded = take_text(&t, "Message forwarded from ");
        bool bracket = !forwarded && cursor_match(&t, '[');
        host = cursor_class(&t, syslog_classes, SYSLOG_C_HOST);
        if (forwarded && host.size && host.data[host.size - 1] == ':') {
            host.size--;
        }
        if (!host.size || (bracket && !cursor_match(&t, ']'))) {
            return false;
        }
    }
    if (!is_hostname(host) || !cursor_match(&t, ' ')) {
        return false;
    }
    /* What syslogd itself says, where no host stands before it. */
    struct cursor behind = t;
    if (host.data[0] == 'l' && host.size == 4
        && slice_equal(host, slice_from_string("last"))
        && take_text(&behind, "message repeated ")) {
        return false;
    }
    *ret = or_nil(host);
    *c = t;
    return true;
}

/* Takes a zone by name from between " " and " " or ":", which stay.  Cisco
 * writes it.  Returns false if a name that only can be a zone, in front of a
 * Cisco message's name, is not known. */
static bool
take_zone_name(struct cursor *c, struct syslog_stamp *stamp)
{
    struct cursor t = *c;
    size_t n = 0;

    if (!cursor_match(&t, ' ')
        || cursor_peek(&t) < 'A' || cursor_peek(&t) > 'Z') {
        return true;
    }
    struct cursor start = t;
    while (n < 6 && cursor_peek(&t) >= 'A' && cursor_peek(&t) <= 'Z') {
        cursor_take(&t, 1);
        n++;
    }
    int next = cursor_peek(&t);
    if (n < 2 || n > 5 || (next != ' ' && next != ':')) {
        return true;
    }
    struct slice name = cursor_take(&start, n);
    if (syslog_find_zone(name, &stamp->offset_s)) {
        stamp->has_zone = true;
        *c = t;
        return true;
    }

    struct syslog_msg ignored;
    struct cursor behind = t;
    if (n >= 3 && name.data[n - 1] == 'T' && take_text(&behind, ": ")
        && take_mnemonic(&behind, &ignored)) {
        *c = t;
        return false;
    }
    return true;
}

/* Takes what stands between time and text: host and TAG, of which either may
 * be missing.  Returns true if there was a TAG. */
static bool
take_host_and_tag(struct cursor *c, struct syslog_msg *m)
{
    struct slice word;

    if (take_tag_or_word(c, m, &word)) {
        /* Cisco has "HOST: %NAME: text". */
        struct slice first = m->app_name;
        if (cursor_peek(c) == '%' && !m->procid.size && !m->hostname.size
            && take_mnemonic(c, m)) {
            m->hostname = first;
        }
        return true;
    }
    if (!take_host(c, word, &m->hostname)) {
        return false;
    }
    if (cursor_peek(c) == ':') {
        /* Cisco ASA has "HOST : %NAME: text". */
        struct cursor t = *c;
        if (take_text(&t, ": ") && take_mnemonic(&t, m)) {
            *c = t;
            return true;
        }
    }
    return take_tag(c, m);
}

/* Takes from 'c', which is behind the time of 'text', what follows it.  If
 * 'whole', something in front of the time has no field of its own, and all of
 * 'text' stays the message, so that nothing is lost. */
static bool
take_after_time(struct slice text, struct cursor c, struct syslog_stamp *stamp,
                bool whole, struct syslog_msg *m)
{
    if (take_zone_name(&c, stamp)) {
        set_time(m, stamp);
    } else {
        whole = true;
    }
    cursor_match(&c, ':');              /* Cisco's habit. */
    if (c.left && !cursor_match(&c, ' ')) {
        return false;
    }
    bool has_tag = take_host_and_tag(&c, m);

    /* Without PRI, a time alone does not make a header: text that programs
     * write to files often begins with one. */
    if (!m->has_pri && !has_tag) {
        return false;
    }
    m->msg = whole ? text : cursor_rest(&c);
    m->dialect = SYSLOG_RFC3164;
    return has_tag || !whole;
}

/* Reads what follows PRI as RFC 3164 describes it.  On failure '*m' holds
 * rubbish. */
static bool
parse_rfc3164(struct slice text, int64_t reference_ns, struct syslog_msg *m)
{
    struct cursor c = cursor_of(text);
    struct syslog_stamp stamp;
    int first = cursor_peek(&c);

    if (!(first >= '0' && first <= '9'
          ? syslog_take_rfc3339(&c, true, &stamp)
          : syslog_take_rfc3164_time(&c, reference_ns, &stamp))) {
        return false;
    }
    m->timestamp = slice_of(text.data, text.size - c.left);
    return take_after_time(text, c, &stamp, false, m);
}

/* Takes a node of IOS XR, "RP/0/RSP0/CPU0:", if there is one. */
static bool
take_node(struct cursor *c)
{
    struct cursor t = *c;
    struct slice node = cursor_class(&t, syslog_classes, SYSLOG_C_TAG);

    if (!node.size || !memchr(node.data, '/', node.size)
        || !cursor_match(&t, ':')) {
        return false;
    }
    *c = t;
    return true;
}

/* Takes what Cisco's devices put in front of the time: a counter of messages
 * ("29: "), the host ("router: "; in front of a node "router "), a node of IOS
 * XR, a mark of the clock ("*" or ".").  Returns true if some of it, other
 * than the host, was there. */
static bool
take_before_time(struct cursor *c, struct syslog_msg *m)
{
    struct cursor t = *c;
    bool found = false;

    while (cursor_peek(&t) >= '0' && cursor_peek(&t) <= '9') {
        cursor_take(&t, 1);
        found = true;
    }
    if (take_text(&t, ": ")) {
        *c = t;
    } else {
        found = false;
    }

    t = *c;
    struct slice host = cursor_class(&t, syslog_classes, SYSLOG_C_HOST);
    bool colon = host.size && host.data[host.size - 1] == ':';
    host.size -= colon;
    if (host.size && is_hostname(host) && cursor_match(&t, ' ')) {
        struct cursor node = t;
        if (colon || take_node(&node)) {
            m->hostname = host;
            *c = t;
        }
    }
    found |= take_node(c);
    return cursor_match(c, '*') || cursor_match(c, '.') || found;
}

/* Reads what follows PRI where something stands in front of the time.  On
 * failure '*m' holds rubbish. */
static bool
parse_cisco(struct slice text, int64_t reference_ns, struct syslog_msg *m)
{
    struct cursor c = cursor_of(text);
    struct syslog_stamp stamp;

    cursor_match(&c, ' ');
    bool whole = take_before_time(&c, m);
    struct slice host = m->hostname;
    struct slice rest = slice_of(c.p, c.left);
    if (!syslog_take_rfc3164_time(&c, reference_ns, &stamp)) {
        return false;
    }
    m->timestamp = slice_of(rest.data, rest.size - c.left);
    if (!take_after_time(text, c, &stamp, whole, m) || !m->app_name.size) {
        return false;
    }
    if (host.size && host.data != m->hostname.data) {
        m->msg = text;          /* There is another host behind the time. */
    }
    return true;
}

/* Reads "TAG[PID]: text" without a time, as some libraries send it.  Without
 * PID it may as well be "error: text". */
static bool
parse_tag(struct slice text, struct syslog_msg *m)
{
    struct cursor c = cursor_of(text);

    if (!take_tag(&c, m) || !m->procid.size) {
        return false;
    }
    for (struct cursor pid = cursor_of(m->procid); pid.left;
         cursor_take(&pid, 1)) {
        if (cursor_peek(&pid) < '0' || cursor_peek(&pid) > '9') {
            return false;
        }
    }
    m->msg = cursor_rest(&c);
    m->dialect = SYSLOG_RFC3164;
    return true;
}

/* Empties '*m' but for its PRI.  Field by field: for the whole structure
 * compilers choose a string instruction, which alone takes longer than a
 * header. */
static void
clear(struct syslog_msg *m, bool has_pri, uint8_t pri)
{
    const struct slice none = slice_of(NULL, 0);

    m->dialect = SYSLOG_BARE;
    m->has_pri = has_pri;
    m->pri = pri;
    m->has_time = false;
    m->has_zone = false;
    m->time_ns = 0;
    m->timestamp = none;
    m->hostname = none;
    m->app_name = none;
    m->procid = none;
    m->msgid = none;
    m->sd = none;
    m->msg = none;
}

/* Reads what is behind PRI and is neither RFC 5424 nor, from its first byte
 * on, RFC 3164. */
static void
parse_other(struct slice text, int64_t reference_ns, struct syslog_msg *m)
{
    bool has_pri = m->has_pri;
    uint8_t pri = m->pri;

    clear(m, has_pri, pri);
    if (has_pri && parse_cisco(text, reference_ns, m)) {
        return;
    }
    clear(m, has_pri, pri);
    if (has_pri && parse_tag(text, m)) {
        return;
    }
    clear(m, has_pri, pri);
    m->msg = text;
}

void
syslog_msg_parse(struct slice message, int64_t reference_ns,
                 struct syslog_msg *ret)
{
    struct cursor c = cursor_of(trim_end(message));
    uint8_t pri = SYSLOG_DEFAULT_PRI;
    bool has_pri = parse_pri(&c, &pri);

    struct cursor behind = c;
    if (!has_pri && take_text(&behind, BOM) && parse_pri(&behind, &pri)) {
        /* Agents on Windows begin with one. */
        has_pri = true;
        c = behind;
    }
    struct slice text = cursor_rest(&c);

    clear(ret, has_pri, pri);
    if (!has_pri || !parse_rfc5424(text, ret)) {
        clear(ret, has_pri, pri);
        if (!parse_rfc3164(text, reference_ns, ret)) {
            parse_other(text, reference_ns, ret);
        }
    }

    if (ret->msg.size >= 3 && !memcmp(ret->msg.data, BOM, 3)) {
        ret->msg = slice_of(ret->msg.data + 3, ret->msg.size - 3);
    }
}
