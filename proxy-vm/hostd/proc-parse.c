/* SPDX-License-Identifier: Apache-2.0
 *
 * The texts of proc(5).  See proc-parse.h. */
#include <config.h>

#include "proc-parse.h"

#include <stdlib.h>
#include <string.h>

#include "sluice/identity.h"
#include "util.h"

enum { MAX_CPUS = 4096 };

#define DEFAULT_MEMORY (UINT64_C(128) << 20)
#define MAX_MEMORY (UINT64_C(1) << 50)

/* Returns what stands behind the line that begins with 'key' and white space
 * or ':', or null. */
static const char *
find_line(const char *text, const char *key)
{
    size_t size = strlen(key);

    while (text) {
        if (!strncmp(text, key, size) && text[size]
            && strchr(" :\t", text[size])) {
            return text + size + 1;
        }
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
    return NULL;
}

/* Reads a decimal number at '*p', behind spaces, and moves '*p' behind it. */
static bool
take_number(const char **p, uint64_t *ret)
{
    const char *s = *p + strspn(*p, " \t");
    uint64_t value = 0;
    size_t n = 0;

    for (; s[n] >= '0' && s[n] <= '9'; n++) {
        if (n >= 19) {
            return false;
        }
        value = value * 10 + (s[n] - '0');
    }
    if (!n) {
        return false;
    }
    *p = s + n;
    *ret = value;
    return true;
}

bool
proc_parse_number(const char *text, uint64_t *ret)
{
    return take_number(&text, ret);
}

bool
proc_parse_cpu(const char *text, uint64_t *ret_busy, uint64_t *ret_total)
{
    /* user nice system idle iowait irq softirq steal; guest time is in user
     * time. */
    enum { IDLE = 3, IOWAIT = 4, N = 8 };
    const char *p = find_line(text, "cpu");
    uint64_t busy = 0, total = 0, ticks;
    int n;

    for (n = 0; p && n < N && take_number(&p, &ticks); n++) {
        total += ticks;
        busy += n == IDLE || n == IOWAIT ? 0 : ticks;
    }
    if (!p || n <= IDLE) {
        return false;
    }
    *ret_busy = busy;
    *ret_total = total;
    return true;
}

bool
proc_parse_meminfo(const char *text, uint64_t *ret_total,
                   uint64_t *ret_available)
{
    const char *total_at = find_line(text, "MemTotal");
    const char *available_at = find_line(text, "MemAvailable");
    uint64_t total, available;

    if (!total_at || !available_at || !take_number(&total_at, &total)
        || !take_number(&available_at, &available)
        || !total || available > total) {
        return false;
    }
    *ret_total = total;
    *ret_available = available;
    return true;
}

bool
proc_parse_loadavg(const char *text, uint32_t *ret_hundredths)
{
    uint64_t whole, part;

    if (!take_number(&text, &whole) || whole > UINT32_MAX / 100 - 1
        || *text != '.' || !text[1] || !text[2] || text[3] != ' ') {
        return false;
    }
    text++;
    if (!take_number(&text, &part) || part > 99) {
        return false;
    }
    *ret_hundredths = whole * 100 + part;
    return true;
}

bool
proc_parse_pid_stat(const char *text, uint64_t *ret_ticks,
                    uint64_t *ret_start)
{
    enum { UTIME = 14, STIME = 15, START = 22 }; /* As proc(5) counts. */
    /* The name, which may have anything in it, ends with the last ')'. */
    const char *p = strrchr(text, ')');
    uint64_t ticks = 0, number;

    if (!p || p[1] != ' ' || !p[2] || p[3] != ' ') {
        return false;
    }
    p += 3;
    for (int i = 4; i <= START; i++) {
        p += strspn(p, " ");
        if (*p == '-') {        /* The terminal's group, priorities. */
            p++;
        }
        if (!take_number(&p, &number)) {
            return false;
        }
        ticks += i == UTIME || i == STIME ? number : 0;
    }
    *ret_ticks = ticks;
    *ret_start = number;
    return true;
}

bool
proc_parse_uids(const char *text, uint32_t *ret_real,
                uint32_t *ret_effective)
{
    const char *p = find_line(text, "Uid");
    uint64_t real, effective;

    if (!p || !take_number(&p, &real) || !take_number(&p, &effective)
        || real > UINT32_MAX || effective > UINT32_MAX) {
        return false;
    }
    *ret_real = real;
    *ret_effective = effective;
    return true;
}

bool
proc_parse_statm(const char *text, uint64_t *ret_pages)
{
    uint64_t size;

    return take_number(&text, &size) && take_number(&text, ret_pages);
}

bool
proc_parse_cpu_stat(const char *text, uint64_t *ret_usec)
{
    const char *p = find_line(text, "usage_usec");

    return p && take_number(&p, ret_usec);
}

/* Whether 's', of 'size' bytes, begins with 'start' and ends with 'end'. */
static bool
has_ends(const char *s, size_t size, const char *start, const char *end)
{
    size_t start_size = strlen(start), end_size = strlen(end);

    return (size >= start_size + end_size
            && !memcmp(s, start, start_size)
            && !memcmp(s + size - end_size, end, end_size));
}

bool
proc_parse_vm_cgroup(const char *text, char **ret)
{
    while (strncmp(text, "0::", 3)) {
        text = strchr(text, '\n');
        if (!text++) {
            return false;
        }
    }
    text += 3;
    if (strncmp(text, "/machine.slice/", 15)) {
        return false;
    }
    /* Slices in slices, and then the scope.  libvirt has groups below that:
     * "...scope/libvirt/vcpu0". */
    for (const char *name = text + 1; ; ) {
        size_t size = strcspn(name, "/\n");

        if (has_ends(name, size, "machine-qemu", ".scope")) {
            *ret = xmemdup0(text, name + size - text);
            return true;
        } else if (name[size] != '/' || !has_ends(name, size, "", ".slice")) {
            return false;
        }
        name += size + 1;
    }
}

/* QEMU's command line. */

/* Returns the value of 'key' in a list "value,key=value": where 'key' is null
 * the value without one, which comes first.  '*ret_size' is its size. */
static const char *
find_suboption(const char *list, const char *key, size_t *ret_size)
{
    while (*list) {
        size_t size = strcspn(list, ",");
        const char *equals = memchr(list, '=', size);

        if (key ? (equals && (size_t) (equals - list) == strlen(key)
                   && !strncmp(list, key, equals - list))
            : !equals) {
            const char *value = key ? equals + 1 : list;
            *ret_size = size - (value - list);
            return value;
        }
        if (!key) {
            break;
        }
        list += size + (list[size] == ',');
    }
    return NULL;
}

static uint64_t
number_of(const char *list, const char *key, uint64_t preset)
{
    size_t size;
    const char *s = find_suboption(list, key, &size);
    uint64_t n;

    return s && take_number(&s, &n) ? n : preset;
}

static void
parse_smp(const char *s, struct qemu_args *args)
{
    uint64_t n = number_of(s, NULL, 0);

    n = n ? n : number_of(s, "cpus", 0);
    if (!n) {
        /* Each is bounded, so that their product is. */
        n = MIN(number_of(s, "sockets", 1), MAX_CPUS)
            * MIN(number_of(s, "cores", 1), MAX_CPUS)
            * MIN(number_of(s, "threads", 1), MAX_CPUS);
    }
    args->n_cpus = MIN(MAX(n, 1), MAX_CPUS);
}

static void
parse_memory(const char *s, struct qemu_args *args)
{
    size_t size;
    const char *value = find_suboption(s, NULL, &size);
    uint64_t n;

    value = value ? value : find_suboption(s, "size", &size);
    if (!value || !take_number(&value, &n)) {
        return;
    }
    static const struct {
        char suffix;
        int shift;
    } units[] = {
        { 'k', 10 }, { 'K', 10 }, { 'm', 20 }, { 'M', 20 }, { 'g', 30 },
        { 'G', 30 }, { 't', 40 }, { 'T', 40 }, { 'b', 0 }, { 'B', 0 },
    };
    int shift = 20;             /* Without a unit it is MiB. */

    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        if (*value == units[i].suffix) {
            shift = units[i].shift;
        }
    }
    if (n && n <= MAX_MEMORY >> shift) {
        args->memory = n << shift;
    }
}

static void
parse_name(const char *s, struct qemu_args *args)
{
    size_t size;
    const char *value = find_suboption(s, NULL, &size);

    value = value ? value : find_suboption(s, "guest", &size);
    if (value && size < sizeof args->name) {
        memcpy(args->name, value, size);
        args->name[size] = '\0';
    }
}

static void
parse_option(const char *option, const char *value, struct qemu_args *args)
{
    option += option[0] == '-' && option[1] == '-';
    if (!strcmp(option, "-uuid")) {
        args->has_uuid = sluice_vm_from_string(value, args->uuid);
    } else if (!strcmp(option, "-name")) {
        parse_name(value, args);
    } else if (!strcmp(option, "-smp")) {
        parse_smp(value, args);
    } else if (!strcmp(option, "-m")) {
        parse_memory(value, args);
    }
}

/* Returns the argument behind the one at 's', or null. */
static const char *
next_arg(const char *s, const char *end)
{
    const char *zero = memchr(s, '\0', end - s);

    return zero && zero + 1 < end ? zero + 1 : NULL;
}

bool
proc_parse_qemu(const char *text, size_t size, struct qemu_args *ret)
{
    struct qemu_args args = { .n_cpus = 1, .memory = DEFAULT_MEMORY };
    const char *end = text + size;

    if (!size || text[size - 1]) {
        return false;
    }
    const char *slash = strrchr(text, '/');
    const char *program = slash ? slash + 1 : text;
    if (strncmp(program, "qemu", 4) && strcmp(program, "kvm")) {
        return false;
    }
    for (const char *s = next_arg(text, end); s; s = next_arg(s, end)) {
        const char *value = next_arg(s, end);

        if (s[0] == '-' && value) {
            parse_option(s, value, &args);
        }
    }
    *ret = args;
    return true;
}
