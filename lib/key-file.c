/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the keys of a host.  See key-file.h. */
#include "key-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Far more than four keys and a few words on them. */
enum { MAX_FILE_SIZE = 4096 };

/* Returns a malloc()ed sentence. */
static char *
__attribute__((format(printf, 1, 2)))
complain(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);

    char *s = n < 0 ? NULL : malloc(n + 1);
    if (!s) {
        abort();
    }
    va_start(args, format);
    vsnprintf(s, n + 1, format, args);
    va_end(args);
    return s;
}

static int
hex_value(char c)
{
    return (c >= '0' && c <= '9' ? c - '0'
            : c >= 'a' && c <= 'f' ? c - 'a' + 10
            : c >= 'A' && c <= 'F' ? c - 'A' + 10
            : -1);
}

/* Reads the 'n' characters at 'line' into 'key'.  Returns false if they are
 * no key; one of zeros only is none either. */
static bool
parse_key(const char *line, size_t n, uint8_t key[SIPHASH_KEY_SIZE])
{
    uint8_t any = 0;

    if (n != 2 * SIPHASH_KEY_SIZE) {
        return false;
    }
    for (size_t i = 0; i < SIPHASH_KEY_SIZE; i++) {
        int high = hex_value(line[2 * i]);
        int low = hex_value(line[2 * i + 1]);

        if (high < 0 || low < 0) {
            return false;
        }
        key[i] = high << 4 | low;
        any |= key[i];
    }
    return any != 0;
}

char *
key_file_parse(const char *path, const char *text, size_t size,
               struct key_file *ret)
{
    struct key_file keys = { .n_keys = 0 };
    char *sentence = NULL;
    int line_number = 0;

    for (size_t ofs = 0; ofs < size; ) {
        const char *line = text + ofs;
        const char *end = memchr(line, '\n', size - ofs);
        size_t n = end ? (size_t) (end - line) : size - ofs;

        ofs += n + 1;
        line_number++;
        if (!n || *line == '#') {
            continue;
        }
        if (keys.n_keys >= KEY_FILE_MAX_KEYS) {
            sentence = complain("%s:%d: there are more than %d keys; remove "
                                "old ones.", path, line_number,
                                KEY_FILE_MAX_KEYS);
            goto out;
        }
        if (!parse_key(line, n, keys.keys[keys.n_keys])) {
            sentence = complain("%s:%d: this is not a key; write 32 "
                                "hexadecimal digits, not all of them zero.",
                                path, line_number);
            goto out;
        }
        keys.n_keys++;
    }
    if (!keys.n_keys) {
        sentence = complain("%s: there is no key; write 32 hexadecimal "
                            "digits on a line.", path);
        goto out;
    }
    *ret = keys;

out:
    explicit_bzero(&keys, sizeof keys);
    return sentence;
}

/* Checks who may read or change the file.  Returns null or a sentence. */
static char *
check_access(const char *path, const struct stat *s)
{
    if (!S_ISREG(s->st_mode)) {
        return complain("%s: this is not a file; name one with keys.", path);
    }
    if (s->st_mode & (S_IRWXG | S_IRWXO)) {
        return complain("%s: others than its owner have access to this file, "
                        "whose mode is %04o; change it with chmod 0600, and "
                        "the key too if it may have been read.",
                        path, (unsigned int) s->st_mode & 07777);
    }
    if (s->st_uid && s->st_uid != geteuid()) {
        return complain("%s: this file belongs to user %u; give it with "
                        "chown to user %u, who reads it.",
                        path, (unsigned int) s->st_uid,
                        (unsigned int) geteuid());
    }
    if (s->st_size > MAX_FILE_SIZE) {
        return complain("%s: this file has more than %d bytes; leave only "
                        "keys in it.", path, MAX_FILE_SIZE);
    }
    return NULL;
}

/* Reads 'fd' to its end or until 'text' is full.  Returns the number of bytes,
 * or -1 with errno set. */
static ssize_t
read_all(int fd, char *text, size_t size)
{
    size_t n = 0;

    while (n < size) {
        ssize_t got = read(fd, text + n, size - n);
        if (got < 0 && errno != EINTR) {
            return -1;
        } else if (!got) {
            break;
        } else if (got > 0) {
            n += got;
        }
    }
    return n;
}

char *
key_file_read(const char *path, struct key_file *ret)
{
    char text[MAX_FILE_SIZE];
    struct stat s;
    char *sentence;

    /* Not to wait, should it be a FIFO. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &s)) {
        sentence = (errno == EACCES
                    ? complain("%s: this file can't be opened by user %u, who "
                               "reads it; give it to that user with chown.",
                               path, (unsigned int) geteuid())
                    : complain("%s: this file can't be opened: %s.", path,
                               strerror(errno)));
        goto out;
    }
    sentence = check_access(path, &s);
    if (sentence) {
        goto out;
    }

    ssize_t n = read_all(fd, text, sizeof text);
    sentence = (n < 0
                ? complain("%s: this file can't be read: %s.", path,
                           strerror(errno))
                : key_file_parse(path, text, n, ret));
    explicit_bzero(text, sizeof text);

out:
    if (fd >= 0) {
        close(fd);
    }
    return sentence;
}
