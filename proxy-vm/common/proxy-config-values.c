/* SPDX-License-Identifier: Apache-2.0
 *
 * What a value of the configuration means, and whether one is right.  See
 * proxy-config.h and proxy-config-keys.h. */
#include <config.h>

#include "proxy-config-keys.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "proxy-config.h"
#include "syslog-msg.h"
#include "util.h"

#define NAME_CHARACTERS \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

void
config_put_list_item(struct ds *s, const char *name, size_t i, size_t n)
{
    ds_put_format(s, "%s%s", !i ? "" : i + 1 < n ? ", " : " and ", name);
}

static bool
is_choice(const struct config_key *key, const char *value)
{
    for (size_t i = 0; i < CONFIG_N_CHOICES; i++) {
        if (!strcmp(config_choices[i].key, key->name)
            && !strcmp(config_choices[i].value, value)) {
            return true;
        }
    }
    return false;
}

/* "give a, b and c". */
static char *
list_choices(const struct config_key *key)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    const char *last = NULL;
    size_t n = 0;

    ds_put_cstr(&s, "give ");
    for (size_t i = 0; i < CONFIG_N_CHOICES; i++) {
        if (strcmp(config_choices[i].key, key->name)) {
            continue;
        } else if (last) {
            ds_put_format(&s, "%s%s", n > 1 ? ", " : "", last);
        }
        last = config_choices[i].value;
        n++;
    }
    ds_put_format(&s, "%s%s", n > 1 ? " or " : "", last);
    return ds_steal_cstr(&s);
}

bool
config_parse_uint(const char *s, uint32_t *ret)
{
    bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
    const char *digits = hex ? s + 2 : s;
    size_t n = strlen(digits);

    /* No leading zero: whether "010" is ten or eight is a matter of taste. */
    if (!n || n > 10 || (!hex && digits[0] == '0' && n > 1)
        || strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789")
           != n) {
        return false;
    }

    unsigned long long value = strtoull(digits, NULL, hex ? 16 : 10);
    if (value > UINT32_MAX) {
        return false;
    }
    *ret = value;
    return true;
}

bool
config_parse_address(const char *s, struct in6_addr *ret)
{
    struct in_addr ip;

    if (inet_pton(AF_INET, s, &ip) == 1) {
        struct in6_addr mapped = { .s6_addr = { [10] = 0xff, [11] = 0xff } };
        memcpy(&mapped.s6_addr[12], &ip, sizeof ip);
        *ret = mapped;
        return true;
    }
    return inet_pton(AF_INET6, s, ret) == 1;
}

bool
config_parse_server(const char *s, char **ret_host, char **ret_port)
{
    const char *colon = strrchr(s, ':');
    uint32_t port;

    if (!colon || !config_parse_uint(colon + 1, &port) || !port
        || port > UINT16_MAX || !isdigit((unsigned char) colon[1])
        || strchr(colon, 'x')) {
        return false;
    }

    char *host = xmemdup0(s, colon - s);
    size_t n = strlen(host);
    struct in6_addr addr;
    bool ok;
    if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
        memmove(host, host + 1, n - 2);
        host[n - 2] = '\0';
        ok = inet_pton(AF_INET6, host, &addr) == 1;
    } else {
        ok = (n > 0 && n <= 253 && host[0] != '.' && host[0] != '-'
              && strspn(host, NAME_CHARACTERS) == n);
    }
    if (!ok) {
        free(host);
        return false;
    }
    if (ret_host) {
        *ret_host = host;
        *ret_port = xstrdup(colon + 1);
    } else {
        free(host);
    }
    return true;
}

/* RFC 5424 section 6.3.2. */
static bool
is_sd_id(const char *s)
{
    const char *at = strchr(s, '@');

    if (!at || at == s || !at[1]
        || strspn(at + 1, "0123456789") != strlen(at + 1)) {
        return false;
    }
    return syslog_is_sd_name(slice_of(s, at - s));
}

bool
config_is_number(const struct config_key *key)
{
    return key->type == CONFIG_TYPE_UINT || key->type == CONFIG_TYPE_UINTS;
}

/* Returns true if 's' is one server or more, with commas between them. */
static bool
are_servers(const char *s)
{
    char *copy = xstrdup(s);
    char *rest = copy;
    bool ok = true;

    for (char *server; ok && (server = strsep(&rest, ",")); ) {
        ok = config_parse_server(server, NULL, NULL);
    }
    free(copy);
    return ok;
}

/* RFC 3986 section 3, roughly: what it refers to is for others to say. */
static bool
is_uri(const char *s)
{
    size_t n = strspn(s, NAME_CHARACTERS "+");

    if (!n || !isalpha((unsigned char) s[0])
        || strncmp(s + n, "://", 3) || !s[n + 3]) {
        return false;
    }
    for (const char *p = s; *p; p++) {
        if (*p <= ' ' || *p > '~') {
            return false;
        }
    }
    return true;
}

char *
config_check_value(const struct config_key *key, const char *value)
{
    struct in6_addr addr;
    size_t size = strlen(value);
    uint32_t number;

    if (config_is_number(key)) {
        if (config_parse_uint(value, &number)
            && number >= key->min && number <= key->max) {
            return NULL;
        }
        bool hex = key->preset && !strncmp(key->preset, "0x", 2);
        return (hex
                ? xasprintf("give %#x to %#x", key->min, key->max)
                : xasprintf("give %u to %u", key->min, key->max));
    }

    switch (key->type) {
    case CONFIG_TYPE_ADDRESS:
        return (config_parse_address(value, &addr) ? NULL
                : xstrdup("write it as 192.0.2.1 or 2001:db8::1"));
    case CONFIG_TYPE_PATH:
        return (value[0] != '/' ? xstrdup("begin it with /")
                : size < key->min ? xstrdup("name a directory of its own")
                : NULL);
    case CONFIG_TYPE_SD_ID:
        return (is_sd_id(value) ? NULL
                : xstrdup("write it as sluice@32473"));
    case CONFIG_TYPE_NAME:
        return (strspn(value, NAME_CHARACTERS) == size ? NULL
                : xstrdup("use letters, digits, '.', '_' and '-'"));
    case CONFIG_TYPE_SERVER:
    case CONFIG_TYPE_SERVERS:
        return ((key->type == CONFIG_TYPE_SERVER
                 ? config_parse_server(value, NULL, NULL) : are_servers(value))
                ? NULL
                : xstrdup("write it as logs.example.net:514 or "
                          "[2001:db8::1]:514"));
    case CONFIG_TYPE_URI:
        return (is_uri(value) ? NULL
                : xstrdup("write it as qemu:///system, percent-encoding what "
                          "is not ASCII"));
    case CONFIG_TYPE_SEVERITIES:
    case CONFIG_TYPE_FACILITIES:
    case CONFIG_TYPE_NAMES:
    case CONFIG_TYPE_PATTERN:
    case CONFIG_TYPE_ACTION:
    case CONFIG_TYPE_SCOPE:
        return config_check_rule_value(key->type, value);
    case CONFIG_TYPE_CHOICE:
        return is_choice(key, value) ? NULL : list_choices(key);
    case CONFIG_TYPE_LIST:
    case CONFIG_TYPE_UINT:
    case CONFIG_TYPE_UINTS:
    default:
        OVS_NOT_REACHED();
    }
}
