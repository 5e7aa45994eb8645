/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages of a hostile guest through parser and encoder: control bytes,
 * quotes, brackets, bidirectional controls, NUL, overlong UTF-8, forged
 * structured data.
 *
 *     hostile check N SEED    reads N frames with the strict parser, and says
 *                             what is wrong
 *     hostile frames N SEED   writes them to standard output
 *     hostile fields N SEED   writes what a receiver must find in each, a JSON
 *                             object on a line of its own, in which strings
 *                             stand for bytes
 *
 * The same arguments make the same messages.
 * Runs in: tests/dialects/test-hostile.py. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../strict-rfc5424.h"
#include "rfc5424.h"
#include "syslog-msg.h"

#define SD_ID "sluice@32473"
#define MAC "02:00:00:00:ab:01"

enum { MAX_MESSAGE = 1024, MAX_FRAME = 8192 };

static const struct batch_source guest = {
    .id = 1, .tenant = 7, .mac = { 0x02, 0, 0, 0, 0xab, 0x01 },
};

static uint64_t random_state;

/* Returns a number below 'n', by xorshift64*. */
static uint32_t
below(uint32_t n)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (random_state * UINT64_C(0x2545f4914f6cdd1d) >> 32) % n;
}

static void
die(const char *why)
{
    fprintf(stderr, "hostile: %s\n", why);
    exit(EXIT_FAILURE);
}

/* A piece of a message; with its size, since some have a NUL. */
struct piece {
    const char *p;
    size_t n;
};
#define PIECE(TEXT) { TEXT, sizeof TEXT - 1 }

static const struct piece heads[] = {
    PIECE("<34>1 2003-10-11T22:14:15.003Z host app 12 ID47 "),
    PIECE("<34>1 - host app 12 ID47 [a b=\"c\"]"),
    PIECE("<34>1 - host app 12 ID47 [" SD_ID " tenant=\"8\"][z] "),
    PIECE("<34>1 - - - - - [a b=\"\\]\"][" SD_ID " b=\"c\"][z]"),
    PIECE("<34>1 - - - - - [a b=\""),
    PIECE("<34>1 - - - - - [" SD_ID " vm=\""),
    PIECE("<34>1 - - - - - - "),
    PIECE("<34>Oct 11 22:14:15 host app[1]: "),
    PIECE("<34>Oct 11 22:14:15 "),
    PIECE("<189>29: router: *Mar  1 18:46:11: %SYS-5-X: "),
    PIECE("<34>"), PIECE(""), PIECE("{\"a\":\""), PIECE("CEF:0|a|b|"),
};

static const struct piece pieces[] = {
    PIECE("\""), PIECE("\\"), PIECE("]"), PIECE("["), PIECE("="), PIECE(" "),
    PIECE("-"), PIECE("a"), PIECE("\"]"), PIECE("\"] "), PIECE("]]"),
    PIECE("\\]"), PIECE("\\\\"), PIECE("[a b=\"c\"]"), PIECE(SD_ID),
    PIECE("x-" SD_ID), PIECE("[" SD_ID " tenant=\"9\"]"),
    PIECE("\"][" SD_ID " tenant=\"9\"] "), PIECE("42 "), PIECE("<13>1 - "),
    PIECE("\n"), PIECE("\r\n"), PIECE("\t"), PIECE("\x7f"), PIECE("\x1b[2J"),
    PIECE("\n<34>1 - - - - - [" SD_ID " tenant=\"9\"] "),
    PIECE("\n57 <34>1 - - - - - [" SD_ID " tenant=\"9\"] "),
    PIECE("\0"), PIECE("a\0b"), PIECE("\xef\xbb\xbf"), PIECE("\xc3\xa4"),
    PIECE("\xe2\x80\xae"), PIECE("\xe2\x81\xa6"), PIECE("\xe2\x80\xa8"),
    PIECE("\xc2\x9b"), PIECE("\xc0\x80"), PIECE("\xc0\xa2"),
    PIECE("\xc1\x9d"), PIECE("\xe0\x80\xa2"), PIECE("\xf0\x80\x80\x9d"),
    PIECE("\xed\xa0\x80"), PIECE("\xf4\x90\x80\x80"), PIECE("\xc3"),
    PIECE("\xff\xfe"), PIECE("\xf0\x9f\x90\xa7"),
};

/* Makes a message.  Returns its size. */
static size_t
make_message(uint8_t *p)
{
    const struct piece *head = &heads[below(sizeof heads / sizeof heads[0])];
    size_t n = head->n;

    memcpy(p, head->p, n);
    for (uint32_t left = below(24); left > 0; left--) {
        if (below(8)) {
            const struct piece *piece
                = &pieces[below(sizeof pieces / sizeof pieces[0])];
            memcpy(p + n, piece->p, piece->n);
            n += piece->n;
        } else {
            p[n++] = below(256);
        }
    }
    return n;
}

/* One message on its way. */
struct passage {
    uint8_t message[MAX_MESSAGE];
    size_t size;
    struct syslog_msg in;
    uint8_t frame[MAX_FRAME];
    size_t frame_size;
    struct strict_message out;
};

static void
pass(struct passage *p, const struct rfc5424_source *source)
{
    p->size = make_message(p->message);
    syslog_msg_parse(slice_of(p->message, p->size),
                     INT64_C(1795176780000000000), &p->in);
    const struct batch_line line = {
        .source = 1,
        .switch_ns = UINT64_C(1795176780000000000),
        .pri = p->in.pri,
        .has_time = p->in.has_time,
        .time_ns = p->in.time_ns,
        .hostname = p->in.hostname,
        .app_name = p->in.app_name,
        .procid = p->in.procid,
        .msgid = p->in.msgid,
        .sd = p->in.sd,
        .msg = p->in.msg,
    };
    p->frame_size = rfc5424_put_line(p->frame, sizeof p->frame, source, &line);
}

static bool
is_bom(const uint8_t *p, size_t n)
{
    return n == 3 && !memcmp(p, "\xef\xbb\xbf", 3);
}

/* Returns null if the parser lost nothing of the message's end: its text ends
 * where the message does, less line ends and NULs, and begins behind the
 * structured data or, without any, where a header has its last field. */
static const char *
check_parsed(const struct passage *p)
{
    const uint8_t *end = p->message + p->size;
    struct slice sd = p->in.sd, msg = p->in.msg;

    while (end > p->message && (end[-1] == '\0' || end[-1] == '\n')) {
        end -= end[-1] == '\n' && end - p->message > 1 && end[-2] == '\r';
        end--;
    }
    if (msg.size && msg.data + msg.size != end) {
        return "the text is not the end of the message";
    }
    if (sd.size) {
        const uint8_t *behind = sd.data + sd.size;
        const uint8_t *from = msg.size ? msg.data : end;
        behind += behind < end && *behind == ' ';
        return (behind == from || is_bom(behind, from - behind)
                ? NULL : "bytes are missing behind the structured data");
    }
    if (p->in.dialect == SYSLOG_BARE && !p->in.has_pri
        && msg.size != (size_t) (end - p->message)
        && !is_bom(p->message, end - p->message - msg.size)) {
        return "bytes are missing of a text without a header";
    }
    return NULL;
}

/* Returns null if the elements behind ours are those of the message, in order,
 * only those with our SD-ID renamed. */
static const char *
check_elements(const struct passage *p)
{
    struct slice rest = p->in.sd;
    bool forged = false;

    for (size_t i = 1; i < p->out.n_elements; i++) {
        struct strict_text whole = p->out.elements[i].whole;

        if (strict_is(p->out.elements[i].id, SD_ID, strlen(SD_ID))) {
            return "an element is forged";
        }
        if (rest.size < whole.n || memcmp(rest.data, whole.p, whole.n)) {
            if (whole.n < 2 || memcmp(whole.p, "[x-" SD_ID, 15)
                || rest.size < whole.n - 2
                || memcmp(rest.data + 1, whole.p + 3, whole.n - 3)) {
                return "an element came out otherwise";
            }
            whole.n -= 2;
            forged = true;
        }
        rest = slice_of(rest.data + whole.n, rest.size - whole.n);
    }
    if (rest.size) {
        return "an element is missing";
    }
    return (forged == (strict_find_param(&p->out, "forged-sd") != NULL)
            ? NULL : "forged-sd does not say what is so");
}

/* Returns null, or what is wrong with what came out. */
static const char *
check_out(struct passage *p)
{
    const char *wrong = strict_parse(p->frame, p->frame_size, &p->out);
    const struct strict_param *tenant;

    if (wrong) {
        return wrong;
    }
    tenant = strict_find_param(&p->out, "tenant");
    if (!strict_is(p->out.elements[0].id, SD_ID, strlen(SD_ID))
        || !tenant || !strict_is(tenant->value, "7", 1)) {
        return "our element is not the first";
    }
    if (p->out.pri != p->in.pri
        || !strict_is(p->out.hostname, MAC, strlen(MAC))) {
        return "the header is another";
    }
    if (!strict_is(p->out.msg, p->in.msg.data, p->in.msg.size)) {
        return "the text came out otherwise";
    }
    return check_elements(p);
}

static void
print_string(const char *name, struct strict_text text)
{
    printf("\"%s\":\"", name);
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];

        if (c < ' ' || c > '~' || c == '"' || c == '\\') {
            printf("\\u%04x", c);
        } else {
            putchar(c);
        }
    }
    putchar('"');
}

static void
print_fields(const struct passage *p)
{
    const struct strict_message *out = &p->out;
    struct strict_text sd = out->elements[0].whole;

    for (size_t i = 1; i < out->n_elements; i++) {
        sd.n += out->elements[i].whole.n;
    }
    printf("{\"pri\":\"%u\",", out->pri);
    print_string("host", out->hostname);
    putchar(',');
    print_string("app", out->app_name);
    putchar(',');
    print_string("procid", out->procid);
    putchar(',');
    print_string("msgid", out->msgid);
    putchar(',');
    print_string("sd", sd);
    putchar(',');
    print_string("msg", out->msg);
    puts("}");
}

int
main(int argc, char *argv[])
{
    struct rfc5424_source *source = rfc5424_source_create(&guest, SD_ID);
    static struct passage p;
    unsigned long n_sd = 0, n_forged = 0;

    if (argc != 4 || !source) {
        die("usage: hostile check|frames|fields N SEED");
    }
    unsigned long n = strtoul(argv[2], NULL, 10);
    random_state = strtoul(argv[3], NULL, 10) * 2 + 1;
    for (unsigned long i = 0; i < n; i++) {
        pass(&p, source);
        const char *wrong = check_parsed(&p);
        wrong = wrong ? wrong : check_out(&p);
        if (wrong) {
            fprintf(stderr, "hostile: message %lu: %s\n", i, wrong);
            fwrite(p.message, 1, p.size, stderr);
            return EXIT_FAILURE;
        }
        n_sd += p.out.n_elements > 1;
        n_forged += strict_find_param(&p.out, "forged-sd") != NULL;
        if (!strcmp(argv[1], "frames")) {
            fwrite(p.frame, 1, p.frame_size, stdout);
        } else if (!strcmp(argv[1], "fields")) {
            print_fields(&p);
        }
    }
    if (!strcmp(argv[1], "check")) {
        printf("%lu messages, %lu with structured data, %lu of them forged\n",
               n, n_sd, n_forged);
    }
    rfc5424_source_destroy(source);
    return EXIT_SUCCESS;
}
