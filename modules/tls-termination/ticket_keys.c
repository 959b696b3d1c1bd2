/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ticket keys from a file, for hosts that take each other's sessions. The file is one that nginx
 * (48 or 80 random bytes) or haproxy (lines of base64) would read; tickets themselves look
 * different there.
 */
#include "term.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wolfssl/wolfcrypt/coding.h>
#include <wolfssl/wolfcrypt/sha256.h>

#define SHORT_KEY 48
#define LONG_KEY  80
/* What base64 of the longer one takes, with blanks around it. */
#define KEY_LINE_MAX 160

static bool is_key(size_t n)
{
    return n == SHORT_KEY || n == LONG_KEY;
}

/* The name is public, the key comes from all of it. 0 or -1. */
static int derive(const uint8_t *p, size_t n, struct ticket_key *out)
{
    static const char label[] = "postern ticket key 1";
    wc_Sha256 sha;
    int rc;

    if (wc_InitSha256(&sha) != 0) {
        return -1;
    }
    rc = wc_Sha256Update(&sha, (const byte *)label, sizeof(label));
    rc = rc != 0 ? rc : wc_Sha256Update(&sha, p, (word32)n);
    rc = rc != 0 ? rc : wc_Sha256Final(&sha, out->key);
    wc_Sha256Free(&sha);
    memcpy(out->name, p, sizeof(out->name));
    out->since = 1;
    return rc == 0 ? 0 : -1;
}

static bool is_known(const struct ticket_key *keys, uint32_t n, const struct ticket_key *k)
{
    for (uint32_t i = 0; i < n; i++) {
        if (memcmp(keys[i].name, k->name, sizeof(k->name)) == 0) {
            return true;
        }
    }
    return false;
}

static const char *parse_line(const uint8_t *p, size_t n, struct ticket_key *out)
{
    uint8_t key[KEY_LINE_MAX];
    word32 got = sizeof(key);
    const char *why = NULL;

    if (n > KEY_LINE_MAX || Base64_Decode(p, (word32)n, key, &got) != 0) {
        why = "has a line that is not base64";
    } else if (!is_key(got)) {
        why = "has a line that is not 48 or 80 bytes in base64";
    } else if (derive(key, got, out) != 0) {
        why = "could not be hashed";
    }
    explicit_bzero(key, sizeof(key));
    return why;
}

/* The next line without blanks at its ends; false: no more. */
static bool next_line(const uint8_t **p, size_t *n, const uint8_t **line, size_t *line_n)
{
    const uint8_t *end;

    if (*n == 0) {
        return false;
    }
    end = memchr(*p, '\n', *n);
    *line = *p;
    *line_n = end == NULL ? *n : (size_t)(end - *p);
    *n -= end == NULL ? *n : *line_n + 1;
    *p = end == NULL ? *p : end + 1;
    while (*line_n > 0 && strchr(" \t\r", (*line)[*line_n - 1]) != NULL) {
        (*line_n)--;
    }
    while (*line_n > 0 && strchr(" \t", **line) != NULL) {
        (*line)++;
        (*line_n)--;
    }
    return true;
}

uint32_t ticket_keys_parse(const uint8_t *p, size_t n, struct ticket_key out[TICKET_KEYS_MAX],
                           const char **why)
{
    const uint8_t *line;
    size_t line_n;
    uint32_t count = 0;

    *why = NULL;
    if (is_key(n)) {
        *why = derive(p, n, out) == 0 ? NULL : "could not be hashed";
        return *why == NULL ? 1 : 0;
    }
    while (*why == NULL && next_line(&p, &n, &line, &line_n)) {
        if (line_n == 0 || line[0] == '#') {
            continue;
        }
        if (count == TICKET_KEYS_MAX) {
            *why = "has more than 16 keys";
            break;
        }
        *why = parse_line(line, line_n, &out[count]);
        if (*why == NULL && is_known(out, count, &out[count])) {
            *why = "has two keys that begin alike";
        }
        count++;
    }
    if (*why == NULL && count == 0) {
        *why = "has no key in it: 48 or 80 random bytes, or lines of them in base64";
    }
    return *why == NULL ? count : 0;
}

struct ticket_ring *ticket_keys_read(const char *path, char *why, size_t n)
{
    struct ticket_key keys[TICKET_KEYS_MAX];
    struct ticket_ring *ring = NULL;
    const char *what = NULL;
    size_t size = 0;
    uint8_t *data = tls_file_read(path, true, &size, why, n);
    uint32_t count;

    if (data == NULL) {
        return NULL;
    }
    count = ticket_keys_parse(data, size, keys, &what);
    if (count > 0) {
        ring = ticket_ring_of(keys, count);
        what = "out of memory";
    }
    if (ring == NULL) {
        snprintf(why, n, "%s %s", path, what);
    }
    explicit_bzero(keys, sizeof(keys));
    explicit_bzero(data, size);
    free(data);
    return ring;
}
