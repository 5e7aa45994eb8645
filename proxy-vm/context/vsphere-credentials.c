/* SPDX-License-Identifier: Apache-2.0
 *
 * User and password.  See vsphere-credentials.h. */
#include <config.h>

#include "vsphere-credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

/* Cuts the first line off '*rest' and returns it, or null. */
static char *
take_line(char **rest)
{
    char *line = strsep(rest, "\n");

    if (line) {
        line[strcspn(line, "\r")] = '\0';
    }
    return line && line[0] ? line : NULL;
}

static char *
check_file(const char *path, int fd)
{
    struct stat st;

    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        return xasprintf("%s: this is no file; name a file with a user and a "
                         "password.", path);
    } else if (st.st_mode & (S_IRWXG | S_IRWXO)) {
        return xasprintf("%s: others than its owner have access to it (mode "
                         "%03o); run \"chmod 600\" on it.", path,
                         (unsigned int) st.st_mode & 0777);
    }
    return NULL;
}

char *
credentials_read(const char *path, char **ret_user, char **ret_password)
{
    char text[CREDENTIALS_MAX_SIZE + 1];
    char *sentence = NULL;
    size_t size = 0;
    ssize_t n;

    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return xasprintf("%s: it can't be opened: %s.", path,
                         ovs_strerror(errno));
    }
    sentence = check_file(path, fd);
    if (sentence) {
        goto out;
    }
    while (size < sizeof text - 1
           && (n = read(fd, text + size, sizeof text - 1 - size)) > 0) {
        size += n;
    }
    text[size] = '\0';

    bool has_null = memchr(text, '\0', size) != NULL;
    char *rest = text;
    char *user = take_line(&rest);
    char *password = take_line(&rest);
    if (size == sizeof text - 1 || has_null || !user || !password) {
        sentence = xasprintf("%s: it does not hold a user and a password; "
                             "write each in a line of its own.", path);
    } else {
        *ret_user = xstrdup(user);
        *ret_password = xstrdup(password);
    }
    sodium_memzero(text, sizeof text);

out:
    close(fd);
    return sentence;
}

void
credentials_free(char *s)
{
    if (s) {
        sodium_memzero(s, strlen(s));
        free(s);
    }
}
