/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options a module declares: what the host takes on trust. */
#include "kit/check/check.h"

#include <stdio.h>
#include <string.h>

#include "core/base/addr.h"
#include "core/base/str.h"

#define LEVELS 4

struct table {
    const struct check *ck;
    const struct pst_module *d;
    const struct pst_option *first;
    uint32_t n;
    unsigned level;
    const char *in; /* the group around it, "": none */
};

static const struct pst_option *option_at(const struct table *t, uint32_t i)
{
    return (const struct pst_option *)(const void *)((const char *)t->first +
                                                     (size_t)i * t->d->option_size);
}

static void complain(const struct table *t, const struct pst_option *o, const char *check,
                     const char *text)
{
    problem(t->ck->all, check, "option %s%s%s %s", t->in, t->in[0] != '\0' ? "." : "", o->name,
            text);
}

static bool in_choices(const char *text, const char *choices)
{
    size_t n = strlen(text);

    for (const char *at = choices; at != NULL; at = strchr(at, '|')) {
        at += at != choices;
        if (strcspn(at, "|") == n && memcmp(at, text, n) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_number(uint32_t type)
{
    return type == PST_OPT_U64 || type == PST_OPT_DURATION || type == PST_OPT_SIZE;
}

static bool to_number(const struct pst_option *o, uint64_t *out)
{
    return (o->type == PST_OPT_U64        ? str_to_u64(o->def, UINT64_MAX, out)
            : o->type == PST_OPT_DURATION ? str_to_ms(o->def, out)
                                          : str_to_size(o->def, out)) == 0;
}

static void check_default(const struct table *t, const struct pst_option *o)
{
    struct pst_addr addr;
    struct pst_net net;
    uint64_t v = 0;
    bool good = true;

    if ((o->flags & PST_OPT_REQUIRED) != 0) {
        complain(t, o, "option-default", "is required and has a default: drop one of the two");
    }
    if ((o->flags & PST_OPT_LIST) != 0 || o->type == PST_OPT_GROUP) {
        complain(t, o, "option-default", "is a list or a group: those have no default");
        return;
    }
    if (is_number(o->type)) {
        good = to_number(o, &v);
        if (good && (v < o->min || (o->max != 0 && v > o->max))) {
            complain(t, o, "option-default", "has a default outside of its own min and max");
        }
    } else if (o->type == PST_OPT_BOOL) {
        good = strcmp(o->def, "true") == 0 || strcmp(o->def, "false") == 0;
    } else if (o->type == PST_OPT_NET) {
        good = addr_parse_net(o->def, &net) == 0;
    } else if (o->type == PST_OPT_ADDR) {
        good = addr_parse(o->def, &addr) == 0;
    } else if (o->type == PST_OPT_STR && o->choices != NULL) {
        good = in_choices(o->def, o->choices);
    }
    if (!good) {
        complain(t, o, "option-default", "has a default that is no value of its type or choices");
    }
}

static void check_limits(const struct table *t, const struct pst_option *o)
{
    if (o->max != 0 && o->min > o->max) {
        complain(t, o, "option-limits", "has a min above its max: no value would do");
    }
    if ((o->min != 0 || o->max != 0) && !is_number(o->type)) {
        complain(t, o, "option-limits", "has min or max, which only numbers have");
    }
    if (o->choices != NULL && o->type != PST_OPT_STR) {
        complain(t, o, "option-limits", "has choices, which only strings have");
    } else if (o->choices != NULL && in_choices("", o->choices)) {
        complain(t, o, "option-limits", "has an empty choice: write \"a|b|c\"");
    }
    if ((o->flags & PST_OPT_LISTENER_ONLY) != 0 && (o->flags & PST_OPT_EDGE_ONLY) != 0) {
        complain(t, o, "option-limits", "is for listeners only and for edges only");
    } else if (((o->flags & PST_OPT_LISTENER_ONLY) != 0 &&
                (t->d->scopes & PST_SCOPE_LISTENER) == 0) ||
               ((o->flags & PST_OPT_EDGE_ONLY) != 0 && (t->d->scopes & PST_SCOPE_EDGE) == 0)) {
        complain(t, o, "option-limits", "is only for a place where the module is never attached");
    }
    if (o->type != PST_OPT_GROUP && (o->sub != NULL || o->n_sub != 0)) {
        complain(t, o, "option-limits", "has members and is no group: use PST_OPT_GROUP");
    }
}

static void check_name(const struct table *t, uint32_t i)
{
    const struct pst_option *o = option_at(t, i);

    if (strspn(o->name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != strlen(o->name)) {
        complain(t, o, "option-name", "has a name that is not made of a-z, 0-9 and _");
    }
    if (t->level == 0 && (strcmp(o->name, "module") == 0 || strcmp(o->name, "enforce") == 0)) {
        complain(t, o, "option-name", "has a name that is the proxy's own: choose another");
    }
    for (uint32_t k = 0; k < i; k++) {
        if (strcmp(option_at(t, k)->name, o->name) == 0) {
            complain(t, o, "option-duplicate", "is declared twice");
            return;
        }
    }
}

static void check_table(const struct table *t)
{
    for (uint32_t i = 0; i < t->n && t->level < LEVELS; i++) {
        const struct pst_option *o = option_at(t, i);

        check_name(t, i);
        if (o->help == NULL || o->help[0] == '\0') {
            complain(t, o, "option-help", "has no .help: say in one line what it does");
        } else if (strchr(o->help, '\n') != NULL) {
            complain(t, o, "option-help", "has a .help of more than one line");
        }
        check_limits(t, o);
        if (o->def != NULL) {
            check_default(t, o);
        }
        if (o->type == PST_OPT_GROUP) {
            check_table(&(struct table){ t->ck, t->d, o->sub, o->n_sub, t->level + 1, o->name });
        }
    }
}

void check_options(const struct check *ck, const struct pst_module *d)
{
    check_table(&(struct table){ ck, d, d->options, d->n_options, 0, "" });
}
