/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of certificates and revocation lists: as much as can be checked without an engine. */
#include "mtls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((off_t)256 * 1024 * 1024)

static const char *read_open(int fd, char **data, size_t *n)
{
    struct stat st;
    size_t size;
    char *p;

    if (fstat(fd, &st) != 0) {
        return strerror(errno);
    }
    if (!S_ISREG(st.st_mode)) {
        return "not a regular file";
    }
    if (st.st_size > FILE_MAX) {
        return "larger than 256 MiB";
    }
    size = (size_t)st.st_size;
    p = malloc(size + 1);
    if (p == NULL) {
        return strerror(ENOMEM);
    }
    *n = 0;
    while (*n < size) {
        ssize_t got = read(fd, p + *n, size - *n);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            free(p);
            return got < 0 ? strerror(errno) : "it is changing";
        }
        *n += (size_t)got;
    }
    *data = p;
    return NULL;
}

const char *mtls_read_file(const char *path, char **data, size_t *n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const char *why;

    if (fd < 0) {
        return strerror(errno);
    }
    why = read_open(fd, data, n);
    close(fd);
    return why;
}

/* --- blocks ----------------------------------------------------------------------------------- */

static int base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;

    return at != NULL ? (int)(at - digits) : -1;
}

/*
 * Length of the decoded text, whose first bytes go to `head`; 0: not base64. The rest is only
 * counted: what it says is the engine's to read.
 */
static size_t decode(const char *s, size_t n, uint8_t head[8])
{
    size_t digits = 0, pads = 0, out = 0;
    uint32_t bits = 0;

    for (size_t i = 0; i < n; i++) {
        int v = base64_value(s[i]);

        if (s[i] == '\n' || s[i] == '\r' || s[i] == ' ' || s[i] == '\t') {
            continue;
        }
        if (s[i] == '=') {
            pads++;
            continue;
        }
        if (v < 0 || pads > 0) {
            return 0;
        }
        bits = bits << 6 | (uint32_t)v;
        digits++;
        if (digits % 4 != 1) {
            unsigned shift = 2 * (unsigned)((4 - digits % 4) % 4);

            if (out < 8) {
                head[out] = (uint8_t)(bits >> shift);
            }
            out++;
        }
    }
    return pads <= 2 && (digits + pads) % 4 == 0 ? out : 0;
}

/* One SEQUENCE in DER that is exactly this long. */
static bool is_sequence(const uint8_t head[8], size_t n)
{
    size_t len = 0, bytes;

    if (n < 8 || head[0] != 0x30) {
        return false;
    }
    if (head[1] < 0x80) {
        return n == 2u + head[1];
    }
    bytes = head[1] & 0x7f;
    if (bytes == 0 || bytes > 4) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        len = len << 8 | head[2 + i];
    }
    return n == 2 + bytes + len;
}

int mtls_pem_count(const char *data, size_t n, const char *label)
{
    const char *end = data + n, *p = data;
    char begin[64], finish[64];
    int begin_n = snprintf(begin, sizeof(begin), "-----BEGIN %s-----", label);
    int finish_n = snprintf(finish, sizeof(finish), "-----END %s-----", label);
    int count = 0;

    for (;; count++) {
        const char *body = memmem(p, (size_t)(end - p), begin, (size_t)begin_n), *stop;
        uint8_t head[8] = { 0 };

        if (body == NULL) {
            return count;
        }
        body += begin_n;
        stop = memmem(body, (size_t)(end - body), finish, (size_t)finish_n);
        if (stop == NULL || !is_sequence(head, decode(body, (size_t)(stop - body), head))) {
            return -1;
        }
        p = stop + finish_n;
    }
}
