/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "civil.h"
#include "syslog-msg.h"

/* Times of day are written out, so that a reader can check them. */
static int64_t
at(int32_t year, uint8_t month, uint8_t day, int hour, int minute, int second,
   uint32_t ns)
{
    struct civil date = { year, month, day };

    return ((civil_to_days(date) * S_PER_DAY + hour * 3600 + minute * 60
             + second) * NS_PER_S + ns);
}

#define REFERENCE at(2026, 11, 20, 12, 0, 0, 0)

/* Parses a copy of exactly 'size' bytes, so that a sanitizer sees more. */
static struct syslog_msg
parse_bytes(const char *text, size_t size, int64_t reference_ns)
{
    static char *exact;
    struct syslog_msg m;

    free(exact);
    exact = malloc(size ? size : 1);
    assert_non_null(exact);
    memcpy(exact, text, size);
    syslog_msg_parse(slice_of(exact, size), reference_ns, &m);
    return m;
}

static struct syslog_msg
parse(const char *text)
{
    return parse_bytes(text, strlen(text), REFERENCE);
}

/* Writes what was found as "pri|time|host|app|procid|msgid|sd|msg". */
static void
assert_fields(const char *text, enum syslog_dialect dialect,
              const char *expected)
{
    struct syslog_msg m = parse(text);
    const struct slice fields[] = {
        m.timestamp, m.hostname, m.app_name, m.procid, m.msgid, m.sd, m.msg
    };
    char actual[4096];
    size_t n = snprintf(actual, sizeof actual, m.has_pri ? "%d" : "no %d",
                        m.pri);

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        n += snprintf(actual + n, sizeof actual - n, "|%.*s",
                      (int) fields[i].size, (const char *) fields[i].data);
    }
    assert_string_equal(actual, expected);
    assert_int_equal(m.dialect, dialect);
}

#define assert_rfc5424(TEXT, FIELDS) \
    assert_fields(TEXT, SYSLOG_RFC5424, FIELDS)
#define assert_rfc3164(TEXT, FIELDS) \
    assert_fields(TEXT, SYSLOG_RFC3164, FIELDS)
#define assert_bare(TEXT, FIELDS) assert_fields(TEXT, SYSLOG_BARE, FIELDS)

static void
assert_time(const char *text, int64_t reference_ns, int64_t expected)
{
    struct syslog_msg m = parse_bytes(text, strlen(text), reference_ns);

    assert_int_not_equal(m.dialect, SYSLOG_BARE);
    assert_true(m.has_time);
    assert_int_equal(m.time_ns, expected);
}

static void
rfc5424_examples_are_read(void **state)
{
    (void) state;
    /* RFC 5424 section 6.5. */
    assert_rfc5424("<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su "
                   "- ID47 - \xef\xbb\xbf'su root' failed for lonvick on "
                   "/dev/pts/8",
                   "34|2003-10-11T22:14:15.003Z|mymachine.example.com|su||"
                   "ID47||'su root' failed for lonvick on /dev/pts/8");
    assert_rfc5424("<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 "
                   "myproc 8710 - - %% It's time to make the do-nuts.",
                   "165|2003-08-24T05:14:15.000003-07:00|192.0.2.1|myproc|"
                   "8710|||%% It's time to make the do-nuts.");
    assert_rfc5424("<165>1 2003-10-11T22:14:15.003Z mymachine.example.com "
                   "evntslog - ID47 [exampleSDID@32473 iut=\"3\" eventSource="
                   "\"Application\"][examplePriority@32473 class=\"high\"]",
                   "165|2003-10-11T22:14:15.003Z|mymachine.example.com|"
                   "evntslog||ID47|[exampleSDID@32473 iut=\"3\" eventSource="
                   "\"Application\"][examplePriority@32473 class=\"high\"]|");
    /* Nothing but what must be there. */
    assert_rfc5424("<0>1 - - - - - -", "0|||||||");
    assert_rfc5424("<191>1 - - - - - - ", "191|||||||");
    assert_rfc5424("<191>1 - - - - - -  two", "191||||||| two");
}

static void
broken_rfc5424_headers_leave_the_text_whole(void **state)
{
    static const char *const headers[] = {
        "1 2003-10-11T22:14:15.003Z host app - -",          /* No SD. */
        "1 2003-10-11T22:14:15.003Z host app -  - -",       /* Empty field. */
        "1 2003-10-11 22:14:15.003Z host app - - -",        /* Not T. */
        "1 2003-10-11t22:14:15.003z host app - - -",
        "1 2003-10-11T22:14:15.Z host app - - -",           /* No fraction. */
        "1 2003-10-11T22:14:15.1234567890Z host app - - -",
        "1 2003-10-11T22:14:15 host app - - -",             /* No zone. */
        "1 2003-10-11T22:14:15+0200 host app - - -",
        "1 2003-10-11T22:14:15+24:00 host app - - -",
        "1 2003-02-29T22:14:15Z host app - - -",            /* No such day. */
        "1 2003-10-11T24:00:00Z host app - - -",
        "1 2003-10-11T22:60:00Z host app - - -",
        "1 2003-10-11T22:00:61Z host app - - -",
        "1 03-10-11T22:14:15Z host app - - -",
        "1 - ho\xc3\xb6st app - - -",                       /* Not ASCII. */
        "1 - host app\t - - -",
        "2 - host app - - -",                               /* Version. */
        "1- host app - - -",
        "1",
        "",
    };

    (void) state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        char text[256], fields[256];

        snprintf(text, sizeof text, "<34>%s", headers[i]);
        snprintf(fields, sizeof fields, "34|||||||%s", headers[i]);
        assert_bare(text, fields);
    }
}

static void
header_fields_are_limited_to_what_the_rfc_says(void **state)
{
    static const size_t limits[] = { 255, 48, 128, 32 };

    (void) state;
    for (size_t i = 0; i < 4; i++) {
        for (size_t excess = 0; excess < 2; excess++) {
            char text[512] = "<34>1 - ";
            for (size_t field = 0; field < 4; field++) {
                size_t n = field == i ? limits[i] + excess : 1;
                memset(text + strlen(text), 'x', n);
                strncat(text, " ", 2);
            }
            strncat(text, "- text", 7);
            struct syslog_msg m = parse(text);
            assert_int_equal(m.dialect,
                             excess ? SYSLOG_BARE : SYSLOG_RFC5424);
        }
    }
}

static void
structured_data_counts_only_if_well_formed(void **state)
{
    static const char *const good[] = {
        "[a]", "[a][b]", "[a b=\"\"]", "[a@1 b=\"c\" b=\"d\"][e]",
        "[a b=\"\\\"\\\\\\]\"]", "[a b=\"\\n\"]", "[a b=\"[=\x01\n\"]",
        "[a b=\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7\"]",
        "[12345678901234567890123456789012]",
        "[a 12345678901234567890123456789012=\"\"]",
    };
    static const char *const bad[] = {
        "[", "[]", "[a", "[a ", "[a ]", "[a b]", "[a b=]", "[a b=\"]",
        "[a b=\"\"", "[a b=c]", "[a b=\"]\"]", "[a b=\"\"c=\"\"]",
        "[a  b=\"\"]", "[ a]", "[a][", "[a][]", "[a]x", "-x", "x", "--",
        "[a b=\"\\", "[a b=\"\\]", "[\\]", "[a \\=\"\"]", "[a=b]", "[a\"b]", "[a]-",
        "[a b=\"\xc3\"]", "[a b=\"\xff\"]", "[a b=\"\xed\xa0\x80\"]",
        "[a b=\"\xc0\x80\"]", "[a b=\"12345678\xe4\"]",
        "[123456789012345678901234567890123]",
        "[a 123456789012345678901234567890123=\"\"]",
    };
    char text[512], fields[512];

    (void) state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(text, sizeof text, "<34>1 - h a p m %s text", good[i]);
        snprintf(fields, sizeof fields, "34||h|a|p|m|%s|text", good[i]);
        assert_rfc5424(text, fields);
        snprintf(text, sizeof text, "<34>1 - h a p m %s", good[i]);
        snprintf(fields, sizeof fields, "34||h|a|p|m|%s|", good[i]);
        assert_rfc5424(text, fields);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, "<34>1 - h a p m %s text", bad[i]);
        snprintf(fields, sizeof fields, "34||h|a|p|m||%s text", bad[i]);
        assert_rfc5424(text, fields);
    }
}

static void
pri_has_one_to_three_digits_and_at_most_191(void **state)
{
    (void) state;
    assert_bare("<0>text", "0|||||||text");
    assert_bare("<191>text", "191|||||||text");
    assert_bare("<192>text", "no 13|||||||<192>text");
    assert_bare("<999>text", "no 13|||||||<999>text");
    assert_bare("<0013>text", "no 13|||||||<0013>text");
    assert_bare("<>text", "no 13|||||||<>text");
    assert_bare("<13text", "no 13|||||||<13text");
    assert_bare("<-1>text", "no 13|||||||<-1>text");
    assert_bare("< 1>text", "no 13|||||||< 1>text");
    assert_bare("<13", "no 13|||||||<13");
    assert_bare("<", "no 13|||||||<");
    assert_bare("<13>", "13|||||||");
    /* Leading zeros are let pass. */
    assert_bare("<013>text", "13|||||||text");
    assert_rfc5424("<034>1 - - - - - - text", "34|||||||text");
    assert_rfc3164("<013>Oct 11 22:14:15 host su: text",
                   "13|Oct 11 22:14:15|host|su||||text");
}

static void
rfc3164_examples_are_read(void **state)
{
    (void) state;
    /* RFC 3164 section 5.4. */
    assert_rfc3164("<34>Oct 11 22:14:15 mymachine su: 'su root' failed for "
                   "lonvick on /dev/pts/8",
                   "34|Oct 11 22:14:15|mymachine|su||||'su root' failed for "
                   "lonvick on /dev/pts/8");
    assert_rfc3164("<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!",
                   "13|Feb  5 17:32:18|10.0.0.99|||||Use the BFG!");
    assert_bare("Use the BFG!", "no 13|||||||Use the BFG!");
    /* Time zone behind the time: not known, so the text stays whole. */
    assert_bare("<0>1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org "
                "10.1.2.3 sched[0]: That's All Folks!",
                "0|||||||1990 Oct 22 10:52:01 TZ-6 "
                "scapegoat.dmz.example.org 10.1.2.3 sched[0]: That's All "
                "Folks!");
}

static void
rfc3164_forms_of_the_field_are_read(void **state)
{
    (void) state;
    /* logger: to a server, and to the local socket. */
    assert_rfc3164("<13>Nov 20 11:59:59 web-1 root[4711]: hello",
                   "13|Nov 20 11:59:59|web-1|root|4711|||hello");
    assert_rfc3164("<13>Nov 20 11:59:59 root[4711]: hello",
                   "13|Nov 20 11:59:59||root|4711|||hello");
    assert_rfc3164("<13>Nov 20 11:59:59 root: hello",
                   "13|Nov 20 11:59:59||root||||hello");
    /* Days padded by a space, a zero, or nothing. */
    assert_rfc3164("<13>Nov  2 11:59:59 h t: m",
                   "13|Nov  2 11:59:59|h|t||||m");
    assert_rfc3164("<13>Nov 02 11:59:59 h t: m",
                   "13|Nov 02 11:59:59|h|t||||m");
    assert_rfc3164("<13>Nov 2 11:59:59 h t: m", "13|Nov 2 11:59:59|h|t||||m");
    /* ISO timestamps, as rsyslog's forward format has them, and laxer. */
    assert_rfc3164("<13>2026-11-20T11:59:59.123456+01:00 h t[1]: m",
                   "13|2026-11-20T11:59:59.123456+01:00|h|t|1|||m");
    assert_rfc3164("<13>2026-11-20T11:59:59+0100 h t: m",
                   "13|2026-11-20T11:59:59+0100|h|t||||m");
    assert_rfc3164("<13>2026-11-20T11:59:59 t: m",
                   "13|2026-11-20T11:59:59||t||||m");
    /* Cisco. */
    assert_rfc3164("<166>Nov 20 2026 11:59:59: %ASA-6-302013: Built",
                   "166|Nov 20 2026 11:59:59||%ASA-6-302013||||Built");
    assert_rfc3164("<166>Nov 20 2026 11:59:59.123 fw1 %ASA-6-302013: Built",
                   "166|Nov 20 2026 11:59:59.123|fw1|%ASA-6-302013||||Built");
    /* No PRI, as in a file. */
    assert_rfc3164("Nov 20 11:59:59 web-1 sshd[42]: m",
                   "no 13|Nov 20 11:59:59|web-1|sshd|42|||m");
    assert_rfc3164("Nov 20 11:59:59 sshd[42]: m",
                   "no 13|Nov 20 11:59:59||sshd|42|||m");
    /* Tags. */
    assert_rfc3164("<13>Nov 20 11:59:59 h postfix/smtpd[1]: m",
                   "13|Nov 20 11:59:59|h|postfix/smtpd|1|||m");
    assert_rfc3164("<13>Nov 20 11:59:59 h (sd-pam)[1]: m",
                   "13|Nov 20 11:59:59|h|(sd-pam)|1|||m");
    assert_rfc3164("<13>Nov 20 11:59:59 h app[1]:m",
                   "13|Nov 20 11:59:59|h|app|1|||m");
    assert_rfc3164("<13>Nov 20 11:59:59 h app[]: m",
                   "13|Nov 20 11:59:59|h|app||||m");
    assert_rfc3164("<13>Nov 20 11:59:59 h app:  m",
                   "13|Nov 20 11:59:59|h|app|||| m");
    assert_rfc3164("<13>Nov 20 11:59:59 h app:",
                   "13|Nov 20 11:59:59|h|app||||");
    /* Hosts. */
    assert_rfc3164("<13>Nov 20 11:59:59 2001:db8::5 app: m",
                   "13|Nov 20 11:59:59|2001:db8::5|app||||m");
    assert_rfc3164("<13>Nov 20 11:59:59 - app: m",
                   "13|Nov 20 11:59:59||app||||m");
}

static void
what_is_no_tag_stays_in_the_text(void **state)
{
    (void) state;
    assert_rfc3164("<13>Nov 20 11:59:59 h http://x/ down",
                   "13|Nov 20 11:59:59|h|||||http://x/ down");
    assert_rfc3164("<13>Nov 20 11:59:59 h 12:30 lunch",
                   "13|Nov 20 11:59:59|h|||||12:30 lunch");
    assert_rfc3164("<13>Nov 20 11:59:59 h array[3] out of bounds",
                   "13|Nov 20 11:59:59|h|||||array[3] out of bounds");
    assert_rfc3164("<13>Nov 20 11:59:59 h two words: m",
                   "13|Nov 20 11:59:59|h|||||two words: m");
    assert_rfc3164("<13>Nov 20 11:59:59 h a[b[c]]: m",
                   "13|Nov 20 11:59:59|h|||||a[b[c]]: m");
    assert_rfc3164("<13>Nov 20 11:59:59 h a[b: m",
                   "13|Nov 20 11:59:59|h|||||a[b: m");
    assert_rfc3164("<13>Nov 20 11:59:59 h "
                   "1234567890123456789012345678901234567890123456789: m",
                   "13|Nov 20 11:59:59|h|||||"
                   "1234567890123456789012345678901234567890123456789: m");
    /* Nor a host. */
    assert_rfc3164("<13>Nov 20 11:59:59 {\"a\": 1}",
                   "13|Nov 20 11:59:59||||||{\"a\": 1}");
    assert_rfc3164("<13>Nov 20 11:59:59 alone",
                   "13|Nov 20 11:59:59||||||alone");
    assert_rfc3164("<13>Nov 20 11:59:59", "13|Nov 20 11:59:59||||||");
}

static void
text_without_a_header_stays_whole(void **state)
{
    static const char *const texts[] = {
        "", " ", "hello", "Nov", "Nov 20", "Nov 20 11:59:5", "Nov 20 11:59:59",
        "Nov 20 11:59:59 started the engine",
        "2026-11-20T11:59:59Z started the engine",
        "2026-11-20 11:59:59 h t: m", "Nov 31 11:59:59 h t: m",
        "Nov 00 11:59:59 h t: m", "Nov 111 11:59:59 h t: m",
        "Nov 20 24:00:00 h t: m", "Nov 20 11:59:59, h t: m",
        "nov 20 11:59:59 h t: m", "Feb 30 11:59:59 h t: m",
        "Feb 29 2026 11:59:59 h t: m", "\"Nov 20\"", "1 - - - - - - text",
    };

    (void) state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char fields[256];

        snprintf(fields, sizeof fields, "no 13|||||||%s", texts[i]);
        assert_bare(texts[i], fields);
    }
}

static void
trailing_line_ends_and_nuls_go(void **state)
{
    static const struct {
        const char *end;
        size_t size;
    } ends[] = {
        { "\n", 1 }, { "\r\n", 2 }, { "\0", 1 }, { "\n\0", 2 },
        { "\0\n", 2 }, { "\r\n\r\n\0\0", 6 },
    };
    struct syslog_msg m;

    (void) state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char text[64] = "<13>text";

        memcpy(text + 8, ends[i].end, ends[i].size);
        m = parse_bytes(text, 8 + ends[i].size, REFERENCE);
        assert_slice_equal(m.msg, "text");
    }
    m = parse_bytes("\0\n\0", 3, REFERENCE);
    assert_int_equal(m.msg.size, 0);
    /* A carriage return alone, and what stands within, stays. */
    assert_slice_equal(parse("<13>a\nb\r").msg, "a\nb\r");
    m = parse_bytes("a\0b", 3, REFERENCE);
    assert_int_equal(m.msg.size, 3);
}

static void
rfc3339_times_are_converted(void **state)
{
    (void) state;
#define HEAD(TIME) "<34>1 " TIME " - - - - -"
    assert_time(HEAD("1970-01-01T00:00:00Z"), 0, 0);
    assert_time(HEAD("2026-11-20T16:13:00.123456789+05:30"), 0,
                at(2026, 11, 20, 10, 43, 0, 123456789));
    assert_time(HEAD("2026-11-20T16:13:00.5-08:00"), 0,
                at(2026, 11, 21, 0, 13, 0, 500000000));
    assert_time(HEAD("2024-02-29T00:00:00-00:00"), 0,
                at(2024, 2, 29, 0, 0, 0, 0));
    assert_time(HEAD("2016-12-31T23:59:60.25Z"), 0,
                at(2017, 1, 1, 0, 0, 0, 250000000));
    assert_time(HEAD("1969-12-31T23:59:59.75Z"), 0, -250000000);
    assert_time(HEAD("1678-01-01T00:00:00Z"), 0, at(1678, 1, 1, 0, 0, 0, 0));
    assert_time(HEAD("2261-12-31T23:59:59Z"), 0,
                at(2261, 12, 31, 23, 59, 59, 0));
}

static void
times_that_do_not_fit_are_left_out(void **state)
{
    static const char *const texts[] = {
        HEAD("0001-01-01T00:00:00Z"), HEAD("9999-12-31T23:59:60-23:59"),
        HEAD("0000-01-01T00:00:00+23:59"), HEAD("-"),
    };
#undef HEAD

    (void) state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct syslog_msg m = parse(texts[i]);
        assert_int_equal(m.dialect, SYSLOG_RFC5424);
        assert_false(m.has_time);
    }
}

static void
a_missing_year_is_the_nearest_one(void **state)
{
    (void) state;
    assert_time("<13>Nov 20 11:59:59 h t: m", REFERENCE,
                at(2026, 11, 20, 11, 59, 59, 0));
    assert_time("<13>Nov 20 11:59:59.5 h t: m", REFERENCE,
                at(2026, 11, 20, 11, 59, 59, 500000000));
    /* New Year, from both sides. */
    assert_time("<13>Dec 31 23:59:59 h t: m", at(2027, 1, 1, 0, 0, 1, 0),
                at(2026, 12, 31, 23, 59, 59, 0));
    assert_time("<13>Jan  1 00:00:01 h t: m", at(2026, 12, 31, 23, 59, 59, 0),
                at(2027, 1, 1, 0, 0, 1, 0));
    /* February 29, known to this year, the last, the next or none of them. */
    assert_time("<13>Feb 29 12:00:00 h t: m", at(2028, 3, 1, 0, 0, 0, 0),
                at(2028, 2, 29, 12, 0, 0, 0));
    assert_time("<13>Feb 29 12:00:00 h t: m", at(2029, 1, 2, 0, 0, 0, 0),
                at(2028, 2, 29, 12, 0, 0, 0));
    assert_time("<13>Feb 29 12:00:00 h t: m", at(2027, 12, 31, 0, 0, 0, 0),
                at(2028, 2, 29, 12, 0, 0, 0));
    assert_time("<13>Feb 29 12:00:00 h t: m", at(2100, 3, 2, 0, 0, 0, 0),
                at(2104, 2, 29, 12, 0, 0, 0));
    /* A year that is written stands. */
    assert_time("<13>Dec 31 2001 23:59:60 h t: m", REFERENCE,
                at(2002, 1, 1, 0, 0, 0, 0));
    assert_time("<13>Nov 20 11:59:59 h t: m", INT64_MIN,
                at(1677, 11, 20, 11, 59, 59, 0));
}

/* Whatever comes in, every field is part of it and none is over its limit. */
static void
every_cut_of_a_message_keeps_the_fields_inside(void **state)
{
    static const char *const texts[] = {
        "<165>1 2003-10-11T22:14:15.003Z host app 12 ID47 "
        "[a@32473 b=\"\\]c\"][d] \xef\xbb\xbftext\r\n",
        "<34>Oct 11 2026 22:14:15.123 mymachine su[1]: 'su root' failed\n",
    };

    (void) state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        for (size_t size = 0; size <= strlen(texts[i]); size++) {
            struct syslog_msg m = parse_bytes(texts[i], size, REFERENCE);
            assert_true(m.pri <= 191);
            assert_true(m.hostname.size + m.app_name.size + m.procid.size
                        + m.msgid.size + m.sd.size + m.msg.size <= size);
        }
    }
}

static void
an_sd_name_is_short_and_has_no_delimiters(void **state)
{
    static const struct {
        const char *text;
        bool is_sd_name;
    } cases[] = {
        { "a", true },
        { "rack-2:row/4!", true },
        { "abcdefghijklmnopqrstuvwxyz012345", true },
        { "abcdefghijklmnopqrstuvwxyz0123456", false },
        { "", false },
        { "two words", false },
        { "a=b", false },
        { "a]b", false },
        { "a\"b", false },
        { "a\\b", false },
        { "a\x7f", false },
        { "\303\244", false },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(syslog_is_sd_name(slice_from_string(cases[i].text)),
                         cases[i].is_sd_name);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc5424_examples_are_read),
        cmocka_unit_test(broken_rfc5424_headers_leave_the_text_whole),
        cmocka_unit_test(header_fields_are_limited_to_what_the_rfc_says),
        cmocka_unit_test(structured_data_counts_only_if_well_formed),
        cmocka_unit_test(pri_has_one_to_three_digits_and_at_most_191),
        cmocka_unit_test(rfc3164_examples_are_read),
        cmocka_unit_test(rfc3164_forms_of_the_field_are_read),
        cmocka_unit_test(what_is_no_tag_stays_in_the_text),
        cmocka_unit_test(text_without_a_header_stays_whole),
        cmocka_unit_test(trailing_line_ends_and_nuls_go),
        cmocka_unit_test(rfc3339_times_are_converted),
        cmocka_unit_test(times_that_do_not_fit_are_left_out),
        cmocka_unit_test(a_missing_year_is_the_nearest_one),
        cmocka_unit_test(an_sd_name_is_short_and_has_no_delimiters),
        cmocka_unit_test(every_cut_of_a_message_keeps_the_fields_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
