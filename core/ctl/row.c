/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/ctl/row.h"

#include <stdio.h>
#include <string.h>

#include "core/base/err.h"

/* Reading and writing the same memory: what is written is never longer than what was read. */
struct place {
    char *in, *out;
};

static int hex(char c)
{
    const char *digits = "0123456789abcdef", *at = c == '\0' ? NULL : strchr(digits, c);

    return at == NULL ? -1 : (int)(at - digits);
}

/* \uXXXX as the daemon writes it: below 256, or U+FFFD. Six bytes in, at most four out. */
static int unicode(struct place *p)
{
    int v = 0;

    for (int i = 0; i < 4; i++) {
        int digit = hex(p->in[i]);

        if (digit < 0) {
            return ERR_INVALID;
        }
        v = v * 16 + digit;
    }
    p->in += 4;
    if (v > 0xff) {
        *p->out++ = '?';
    } else {
        static const char digits[] = "0123456789abcdef";

        *p->out++ = '\\';
        *p->out++ = 'x';
        *p->out++ = digits[v >> 4];
        *p->out++ = digits[v & 15];
    }
    return ERR_OK;
}

/* A string whose opening quote was read; without a NUL behind it. */
static int string(struct place *p)
{
    while (*p->in != '"') {
        unsigned char c = (unsigned char)*p->in++;

        if (c < ' ' || c == 0x7f) {
            return ERR_INVALID; /* the end of the line, too */
        }
        if (c == 0xc2 && (unsigned char)*p->in < 0xa0) {
            return ERR_INVALID; /* U+0080 to U+009F: controls */
        }
        if (c != '\\') {
            *p->out++ = (char)c;
            continue;
        }
        c = (unsigned char)*p->in++;
        if (c == 'u') {
            if (unicode(p) != ERR_OK) {
                return ERR_INVALID;
            }
        } else if (c == '"' || c == '\\') {
            *p->out++ = (char)c;
        } else {
            return ERR_INVALID;
        }
    }
    p->in++;
    return ERR_OK;
}

static int array(struct place *p)
{
    bool first = true;

    while (*p->in != ']') {
        if (!first) {
            if (*p->in++ != ',') {
                return ERR_INVALID;
            }
            *p->out++ = ',';
        }
        first = false;
        if (*p->in++ != '"' || string(p) != ERR_OK) {
            return ERR_INVALID;
        }
    }
    p->in++;
    return ERR_OK;
}

static int value(struct place *p)
{
    size_t n;

    switch (*p->in) {
    case '"':
        p->in++;
        return string(p);
    case '[':
        p->in++;
        return array(p);
    default:
        n = strspn(p->in, "-+.0123456789abcdefghijklmnopqrstuvwxyzE");
        memmove(p->out, p->in, n);
        p->in += n;
        p->out += n;
        return n > 0 ? ERR_OK : ERR_INVALID;
    }
}

static int member(struct place *p, const char **key, const char **val)
{
    if (*p->in++ != '"') {
        return ERR_INVALID;
    }
    *key = p->out;
    if (string(p) != ERR_OK || *p->in++ != ':') {
        return ERR_INVALID;
    }
    *p->out++ = '\0'; /* over the quote or the colon */
    *val = p->out;
    if (value(p) != ERR_OK) {
        return ERR_INVALID;
    }
    return ERR_OK;
}

int row_parse(char *line, struct row *r)
{
    struct place p = { line, line };
    char last;

    *r = (struct row){ .n = 0 };
    if (*p.in++ != '{') {
        return ERR_INVALID;
    }
    if (*p.in == '}') {
        return p.in[1] == '\0' ? ERR_OK : ERR_INVALID;
    }
    do {
        const char *key, *val;

        if (member(&p, &key, &val) != ERR_OK) {
            return ERR_INVALID;
        }
        last = *p.in++;
        if (last != ',' && last != '}') {
            return ERR_INVALID;
        }
        *p.out++ = '\0'; /* over the comma or the brace */
        if (r->n < ROW_FIELDS_MAX) {
            r->field[r->n].key = key;
            r->field[r->n++].value = val;
        }
    } while (last == ',');
    return *p.in == '\0' ? ERR_OK : ERR_INVALID;
}

const char *row_get(const struct row *r, const char *key)
{
    for (size_t i = 0; i < r->n; i++) {
        if (strcmp(r->field[i].key, key) == 0) {
            return r->field[i].value;
        }
    }
    return NULL;
}

bool row_is_true(const struct row *r, const char *key)
{
    const char *v = row_get(r, key);

    return v != NULL && strcmp(v, "true") == 0;
}
