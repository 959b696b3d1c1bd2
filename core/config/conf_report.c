/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors and warnings that know the file, line and path of the setting they are about. */
#include "core/config/conf_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/str.h"
#include "core/config/conf_error.h"

#define TEXT_MAX 768

/* Put text in front of what stands at out[at], cut when it is full; answers the new start. */
static size_t prepend(char *out, size_t at, const char *text)
{
    size_t n = strlen(text);
    if (n > at) {
        memcpy(out, text + n - at, at);
        return 0;
    }
    memcpy(out + at - n, text, n);
    return at - n;
}

const config_setting_t *conf_elem(const config_setting_t *list, int i)
{
    config_setting_t *s = config_setting_get_elem(list, (unsigned)i);
    config_setting_set_hook(s, (void *)((uintptr_t)i + 1));
    return s;
}

static int index_of(const config_setting_t *s)
{
    uintptr_t kept = (uintptr_t)config_setting_get_hook(s);
    return kept != 0 ? (int)(kept - 1) : config_setting_index(s);
}

const char *conf_where(const config_setting_t *s, char out[CONF_WHERE_MAX])
{
    size_t at = CONF_WHERE_MAX - 1;

    out[at] = '\0';
    for (; s != NULL && s->parent != NULL && at > 0; s = s->parent) {
        if (s->name != NULL) {
            at = prepend(out, at, s->name);
        } else {
            char index[24];
            snprintf(index, sizeof(index), "[%d]", index_of(s));
            at = prepend(out, at, index);
        }
        if (s->name != NULL && s->parent->parent != NULL) {
            at = prepend(out, at, ".");
        }
    }
    memmove(out, out + at, CONF_WHERE_MAX - at);
    if (at == 0) {
        memcpy(out, "...", 3);
    }
    return out;
}

const char *conf_where_dup(struct conf_priv *p, const config_setting_t *s)
{
    char where[CONF_WHERE_MAX];
    const char *copy;

    conf_where(s, where);
    copy = arena_strndup(&p->arena, where, strlen(where));
    return copy != NULL ? copy : "";
}

const char *conf_place(const config_setting_t *s, char *out, size_t n)
{
    const char *file = config_setting_source_file(s);

    if (file == NULL) {
        snprintf(out, n, " (line %u)", config_setting_source_line(s));
    } else {
        snprintf(out, n, " (%s:%u)", file, config_setting_source_line(s));
    }
    return out;
}

__attribute__((format(printf, 4, 0))) static void
report(struct conf_priv *p, bool warning, const config_setting_t *s, const char *fmt, va_list ap)
{
    char text[TEXT_MAX], where[CONF_WHERE_MAX];

    if (p->errors == NULL) {
        return;
    }
    vsnprintf(text, sizeof(text), fmt, ap);
    (warning ? conf_warning_add : conf_error_add)(p->errors, config_setting_source_file(s),
                                                  config_setting_source_line(s),
                                                  conf_where(s, where), "%s", text);
}

void conf_fail(struct conf_priv *p, const config_setting_t *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    report(p, false, s, fmt, ap);
    va_end(ap);
}

void conf_warn(struct conf_priv *p, const config_setting_t *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    report(p, true, s, fmt, ap);
    va_end(ap);
}

bool conf_nomem(struct conf_priv *p)
{
    if (p->errors != NULL) {
        conf_error_add(p->errors, NULL, 0, NULL, "out of memory");
    }
    return false;
}

const char *conf_type_text(const config_setting_t *s)
{
    switch (config_setting_type(s)) {
    case CONFIG_TYPE_GROUP:
        return "a group";
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return "an integer";
    case CONFIG_TYPE_FLOAT:
        return "a floating-point number";
    case CONFIG_TYPE_STRING:
        return "a string";
    case CONFIG_TYPE_BOOL:
        return "a boolean";
    case CONFIG_TYPE_ARRAY:
        return "an array";
    default:
        return "a list";
    }
}

bool conf_wrong_type(struct conf_priv *p, const config_setting_t *s, const char *expected)
{
    conf_fail(p, s, "expected %s, found %s", expected, conf_type_text(s));
    return false;
}

bool conf_near(const char *given, const char *known, unsigned *best)
{
    unsigned distance = str_distance(given, known);
    size_t n = strlen(given);

    /* A third of the word wrong is as far as a slip of the finger goes. */
    if (distance >= *best || distance > (n < 3 ? 1 : n / 3)) {
        return false;
    }
    *best = distance;
    return true;
}
