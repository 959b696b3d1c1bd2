/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of networks: one a line, "#" begins a comment. */
#include "ipr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/cfg_wrong.h"

/* A block list with one bad column should not print a million lines. */
#define SHOWN_ERRORS 20

/* How much of a wrong line is quoted. */
#define QUOTED 64

struct reader {
    const struct pst_host *host;
    const pst_cfg *node;
    const char *path;
    uint32_t errors;
};

static void line_error(struct reader *r, uint32_t line, const char *s, size_t n,
                       enum cidr_result why, const struct cidr *meant)
{
    char quoted[QUOTED + 1], text[CIDR_TEXT];
    size_t i;

    if (r->errors++ >= SHOWN_ERRORS) {
        return;
    }
    for (i = 0; i < n && i < QUOTED; i++) {
        quoted[i] = s[i] >= 0x20 && s[i] < 0x7f ? s[i] : '?';
    }
    quoted[i] = '\0';
    if (why == CIDR_HOST_BITS) {
        cidr_format(meant, false, text);
        cfg_wrong(r->host, r->node, "%s:%u: \"%s\" has host bits set; did you mean %s?", r->path,
                  line, quoted, text);
    } else {
        cfg_wrong(r->host, r->node, "%s:%u: \"%s\" is not a network%s", r->path, line, quoted,
                  why == CIDR_BAD_PREFIX ? ": the prefix length is wrong" : "");
    }
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Strip the comment and the blanks around. */
static void trim(const char **s, size_t *n)
{
    const char *comment = memchr(*s, '#', *n);

    if (comment != NULL) {
        *n = (size_t)(comment - *s);
    }
    while (*n > 0 && is_blank((*s)[*n - 1])) {
        (*n)--;
    }
    while (*n > 0 && is_blank(**s)) {
        (*s)++;
        (*n)--;
    }
}

static int32_t read_lines(struct reader *r, const char *data, size_t size, struct rule_set *set,
                          uint16_t source)
{
    const char *end = data + size, *next;
    uint32_t line = 1;

    for (const char *s = data; s < end; s = next, line++) {
        const char *nl = memchr(s, '\n', (size_t)(end - s));
        size_t n = (size_t)((nl != NULL ? nl : end) - s);
        enum cidr_result why;
        struct cidr net;

        next = nl != NULL ? nl + 1 : end;
        trim(&s, &n);
        if (n == 0) {
            continue;
        }
        why = cidr_parse(s, n, &net);
        if (why != CIDR_OK) {
            line_error(r, line, s, n, why, &net);
        } else if (rule_set_add(set, &net, source, line) != 0) {
            return PST_ERR_NOMEM;
        }
    }
    if (r->errors > SHOWN_ERRORS) {
        cfg_wrong(r->host, r->node, "%s: and %u more", r->path, r->errors - SHOWN_ERRORS);
    }
    return r->errors > 0 ? PST_ERR_CONFIG : PST_OK;
}

/* Read to the end of the file into *data, growing it. */
static bool read_all(int fd, char **data, size_t room, size_t *n)
{
    for (;;) {
        ssize_t got;

        if (*n == room) {
            char *p = realloc(*data, room * 2);

            if (p == NULL) {
                return false;
            }
            *data = p;
            room *= 2;
        }
        got = read(fd, *data + *n, room - *n);
        if (got == 0) {
            return true;
        }
        if (got < 0 && errno != EINTR) {
            return false;
        }
        *n += got > 0 ? (size_t)got : 0;
    }
}

/* The whole file; it is read, not mapped, because a file cut short under a map is SIGBUS. */
static char *slurp(int fd, size_t *n)
{
    struct stat st;
    char *data = NULL;
    size_t room;

    if (fstat(fd, &st) != 0) {
        return NULL;
    }
    if (!S_ISREG(st.st_mode)) {
        errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
        return NULL;
    }
    room = st.st_size > 0 ? (size_t)st.st_size + 1 : 4096;
    data = malloc(room);
    if (data != NULL && !read_all(fd, &data, room, n)) {
        free(data);
        data = NULL;
    }
    return data;
}

int32_t ipr_read_file(const struct pst_host *host, const pst_cfg *node, const char *path,
                      struct rule_set *set, uint16_t source)
{
    struct reader r = { host, node, path, 0 };
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *data = NULL;
    size_t size = 0;
    int32_t rc;

    if (fd < 0 || (data = slurp(fd, &size)) == NULL) {
        rc = cfg_wrong(host, node, "cannot read %s: %s", path, strerror(errno));
    } else {
        rc = read_lines(&r, data, size, set, source);
    }
    free(data);
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}
