/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/server/http_request.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* RFC 9110 section 5.6.2. */
#define TOKEN "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

struct cursor {
    const char *p, *end;
};

/* The next line without its end; a bare LF will do (RFC 9112 section 2.2). False: incomplete. */
static bool next_line(struct cursor *c, struct pst_str *line)
{
    const char *lf = memchr(c->p, '\n', (size_t)(c->end - c->p));

    if (lf == NULL) {
        return false;
    }
    *line = (struct pst_str){ c->p, (size_t)(lf - c->p) };
    if (line->n > 0 && line->p[line->n - 1] == '\r') {
        line->n--;
    }
    c->p = lf + 1;
    return true;
}

static size_t token_len(const char *p, size_t n)
{
    size_t i = 0;

    while (i < n && p[i] != '\0' && strchr(TOKEN, p[i]) != NULL) {
        i++;
    }
    return i;
}

static bool request_line(struct pst_str l, struct http_request *r)
{
    size_t method = token_len(l.p, l.n), n;
    const char *target = l.p + method + 1, *space;

    if (method == 0 || method >= l.n || l.p[method] != ' ') {
        return false;
    }
    n = l.n - method - 1;
    space = memchr(target, ' ', n);
    if (space == NULL || space == target || *target != '/') {
        return false;
    }
    r->method = (struct pst_str){ l.p, method };
    r->path = (struct pst_str){ target, (size_t)(space - target) };
    n -= r->path.n + 1;
    if (n != 8 || memcmp(space + 1, "HTTP/1.", 7) != 0 || space[8] < '0' || space[8] > '9') {
        return false;
    }
    r->is_1_0 = space[8] == '0';
    for (size_t i = 0; i < r->path.n; i++) {
        if (r->path.p[i] <= ' ' || r->path.p[i] > '~') {
            return false;
        }
        if (r->path.p[i] == '?') {
            r->path.n = i;
        }
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool header(struct pst_str l, struct http_request *r)
{
    static const char name[] = "authorization";
    size_t n = token_len(l.p, l.n);
    struct pst_str value;

    if (n == 0 || n >= l.n || l.p[n] != ':') {
        return false;
    }
    value = (struct pst_str){ l.p + n + 1, l.n - n - 1 };
    while (value.n > 0 && is_blank(*value.p)) {
        value.p++;
        value.n--;
    }
    while (value.n > 0 && is_blank(value.p[value.n - 1])) {
        value.n--;
    }
    if (n != sizeof(name) - 1 || strncasecmp(l.p, name, n) != 0) {
        return true;
    }
    if (r->credentials.p != NULL) {
        return false; /* which of two would count? */
    }
    r->credentials = value;
    return true;
}

enum http_status http_request_parse(const char *p, size_t n, struct http_request *r)
{
    struct cursor c = { p, p + n };
    struct pst_str line;

    *r = (struct http_request){ .is_1_0 = false };
    if (!next_line(&c, &line)) {
        return HTTP_MORE;
    }
    if (!request_line(line, r)) {
        return HTTP_BAD;
    }
    while (next_line(&c, &line)) {
        if (line.n == 0) {
            return HTTP_DONE;
        }
        if (!header(line, r)) {
            return HTTP_BAD;
        }
    }
    return HTTP_MORE;
}

static void base64(const uint8_t *p, size_t n, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) |
                     (i + 2 < n ? p[i + 2] : 0);

        *out++ = digits[v >> 18];
        *out++ = digits[v >> 12 & 63];
        *out++ = digits[v >> 6 & 63];
        *out++ = digits[v & 63];
        out[-1] = i + 2 < n ? out[-1] : '=';
        out[-2] = i + 1 < n ? out[-2] : '=';
    }
    *out = '\0';
}

char *http_basic(const char *user, const char *password)
{
    static const char scheme[] = "Basic ";
    size_t u = strlen(user), w = strlen(password), n = u + 1 + w;
    char *plain = malloc(n + 1), *out = malloc(sizeof(scheme) + (n + 2) / 3 * 4);

    if (plain == NULL || out == NULL) {
        free(plain);
        free(out);
        return NULL;
    }
    memcpy(plain, user, u);
    plain[u] = ':';
    memcpy(plain + u + 1, password, w + 1);
    memcpy(out, scheme, sizeof(scheme));
    base64((const uint8_t *)plain, n, out + sizeof(scheme) - 1);
    explicit_bzero(plain, n);
    free(plain);
    return out;
}

bool http_credentials_equal(struct pst_str given, const char *expected)
{
    size_t n = strlen(expected), scheme = strcspn(expected, " ");
    uint8_t differ = given.n != n;

    /* The scheme is no secret, and its case does not matter (RFC 9110 section 11.1). */
    if (given.p == NULL || given.n <= scheme || strncasecmp(given.p, expected, scheme + 1) != 0) {
        return false;
    }
    for (size_t i = scheme; i < given.n; i++) {
        differ |= (uint8_t)(given.p[i] ^ expected[i < n ? i : n]);
    }
    return differ == 0;
}
