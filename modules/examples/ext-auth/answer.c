/* SPDX-License-Identifier: MIT-0 */
#include "answer.h"

#include <stdbool.h>
#include <string.h>

struct cursor {
    const char *p, *end;
};

struct token {
    const char *p;
    size_t n;
};

static char peek(struct cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\r')) {
        c->p++;
    }
    return (char)(c->p < c->end ? *c->p : '\0');
}

static bool take(struct cursor *c, char wanted)
{
    if (peek(c) != wanted) {
        return false;
    }
    c->p++;
    return true;
}

/* The inside of a string. Control characters have no place in one (RFC 8259 section 7). */
static bool take_string(struct cursor *c, struct token *t)
{
    if (!take(c, '"')) {
        return false;
    }
    t->p = c->p;
    while (c->p < c->end && *c->p != '"') {
        if ((unsigned char)*c->p < 0x20) {
            return false;
        }
        c->p += *c->p == '\\' && c->end - c->p > 1 ? 2 : 1;
    }
    t->n = (size_t)(c->p - t->p);
    return c->p < c->end && *c->p++ == '"';
}

/* true, false, null or a number: what stands until the next delimiter. */
static bool take_word(struct cursor *c, struct token *t)
{
    peek(c);
    t->p = c->p;
    while (c->p < c->end && memchr("+-.0123456789abcdefghijklmnopqrstuvwxyzE", *c->p, 40) != NULL) {
        c->p++;
    }
    t->n = (size_t)(c->p - t->p);
    return t->n > 0;
}

static bool is(const struct token *t, const char *text)
{
    return t->n == strlen(text) && memcmp(t->p, text, t->n) == 0;
}

static bool take_member(struct cursor *c, enum answer *allow, struct token *reason)
{
    struct token key, value;
    bool string;

    if (!take_string(c, &key) || !take(c, ':')) {
        return false;
    }
    string = peek(c) == '"';
    if (!(string ? take_string(c, &value) : take_word(c, &value))) {
        return false;
    }
    if (is(&key, "allow")) {
        /* Said twice, whoever reads it may believe either: no answer. */
        if (string || *allow != ANSWER_BAD) {
            return false;
        }
        *allow = is(&value, "true") ? ANSWER_ALLOW : is(&value, "false") ? ANSWER_DENY : ANSWER_BAD;
        return *allow != ANSWER_BAD;
    }
    if (is(&key, "reason")) {
        *reason = value;
        return string;
    }
    return true;
}

enum answer answer_read(const char *p, size_t n, const char **reason, size_t *reason_n)
{
    const char *nl = memchr(p, '\n', n);
    struct cursor c = { p, nl };
    struct token text = { p, 0 };
    enum answer allow = ANSWER_BAD;

    *reason_n = 0;
    if (nl == NULL) {
        return ANSWER_MORE;
    }
    if (!take(&c, '{')) {
        return ANSWER_BAD;
    }
    do {
        if (!take_member(&c, &allow, &text)) {
            return ANSWER_BAD;
        }
    } while (take(&c, ','));
    /* One question, one answer: nothing may follow. */
    if (!take(&c, '}') || peek(&c) != '\0' || c.p != nl || nl + 1 != p + n) {
        return ANSWER_BAD;
    }
    *reason = text.p;
    *reason_n = text.n;
    return allow;
}
