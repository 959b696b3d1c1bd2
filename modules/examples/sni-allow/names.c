/* SPDX-License-Identifier: MIT-0 */
#include "names.h"

#include <stdlib.h>
#include <string.h>

/* RFC 1035 section 2.3.4. */
#define LABEL_MAX    63
#define NAME_MAX_LEN 253

static int compare(const void *a, const void *b)
{
    const struct name *x = a, *y = b;
    int order = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);

    return order != 0 ? order : (x->n > y->n) - (x->n < y->n);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* A line without its comment and the blanks around. */
static struct name trim(const char *p, size_t n)
{
    const char *comment = memchr(p, '#', n);

    n = comment != NULL ? (size_t)(comment - p) : n;
    while (n > 0 && is_blank(p[n - 1])) {
        n--;
    }
    while (n > 0 && is_blank(*p)) {
        p++;
        n--;
    }
    return (struct name){ p, n };
}

static bool is_name(const char *p, size_t n)
{
    size_t label = 0;

    for (size_t i = 0; i < n; i++) {
        char c = p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';

        if ((c == '.' && label == 0) || (c != '.' && !plain) || label > LABEL_MAX) {
            return false;
        }
        label = c == '.' ? 0 : label + 1;
    }
    return label > 0 && label <= LABEL_MAX && n <= NAME_MAX_LEN;
}

static void lower(char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        p[i] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] - 'A' + 'a' : p[i]);
    }
}

static int add(struct names *set, struct name name)
{
    /* Doubled whenever it is full: at every power of two. */
    if ((set->n & (set->n - 1)) == 0) {
        struct name *more = realloc(set->list, (set->n > 0 ? set->n * 2 : 1) * sizeof(*more));

        if (more == NULL) {
            return -1;
        }
        set->list = more;
    }
    set->list[set->n++] = name;
    return 0;
}

int names_read(struct names *set, char *text, size_t n, void (*wrong)(void *arg, size_t line),
               void *arg)
{
    size_t line = 1;

    memset(set, 0, sizeof(*set));
    lower(text, n);
    for (const char *p = text, *end = text + n, *next; p < end; p = next, line++) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        struct name name = trim(p, (size_t)((nl != NULL ? nl : end) - p));
        bool wildcard = name.n > 2 && name.p[0] == '*' && name.p[1] == '.';

        next = nl != NULL ? nl + 1 : end;
        if (name.n == 0) {
            continue;
        }
        if (!is_name(name.p + (wildcard ? 2 : 0), name.n - (wildcard ? 2 : 0))) {
            wrong(arg, line);
        } else if (add(set, (struct name){ name.p + wildcard, name.n - wildcard }) != 0) {
            names_free(set);
            return -1;
        }
    }
    if (set->n > 0) {
        qsort(set->list, set->n, sizeof(*set->list), compare);
    }
    return 0;
}

void names_free(struct names *set)
{
    free(set->list);
    memset(set, 0, sizeof(*set));
}

static bool find(const struct names *set, const char *p, size_t n)
{
    struct name key = { p, n };

    return set->n > 0 && bsearch(&key, set->list, set->n, sizeof(key), compare) != NULL;
}

bool names_have(const struct names *set, const char *p, size_t n)
{
    if (n == 0 || p[0] == '.') {
        return false;
    }
    if (find(set, p, n)) {
        return true;
    }
    for (size_t i = 1; i < n; i++) {
        if (p[i] == '.' && find(set, p + i, n - i)) {
            return true;
        }
    }
    return false;
}
