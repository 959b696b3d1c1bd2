/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/config/conf_describe.h"

#include <inttypes.h>
#include <string.h>

#include "core/config/conf_node.h"
#include "core/config/conf_priv.h"

/* A table that is measured first (out is NULL), then printed. */
struct table {
    FILE *out;
    int width[3];
};

static void put_row(struct table *t, const char *name, const char *values, const char *def,
                    const char *help)
{
    const char *cells[3] = { name, values, def };

    if (t->out != NULL) {
        fprintf(t->out, "%-*s  %-*s  %-*s  %s\n", t->width[0], name, t->width[1], values,
                t->width[2], def, help);
        return;
    }
    for (int i = 0; i < 3; i++) {
        int n = (int)strlen(cells[i]);
        t->width[i] = n > t->width[i] ? n : t->width[i];
    }
}

static const char *type_text(const struct pst_option *o)
{
    static const char *const names[][2] = {
        [PST_OPT_STR] = { "string", "list of strings" },
        [PST_OPT_U64] = { "number", "list of numbers" },
        [PST_OPT_BOOL] = { "true|false", "list of booleans" },
        [PST_OPT_DURATION] = { "duration", "list of durations" },
        [PST_OPT_SIZE] = { "size", "list of sizes" },
        [PST_OPT_NET] = { "network", "list of networks" },
        [PST_OPT_ADDR] = { "address", "list of addresses" },
        [PST_OPT_PATH] = { "path", "list of paths" },
        [PST_OPT_GROUP] = { "group", "list of groups" },
    };

    if (o->type == 0 || o->type >= sizeof(names) / sizeof(names[0])) {
        return "?";
    }
    return names[o->type][(o->flags & PST_OPT_LIST) != 0];
}

/* " 1 to 10", " at least 1", or "" when every value will do. */
static const char *range_text(const struct pst_option *o, char *out, size_t n)
{
    char low[32], high[32];

    if (o->min == 0 && o->max == 0) {
        return "";
    }
    if (o->type == PST_OPT_DURATION) {
        conf_ms_text(o->min, low);
        conf_ms_text(o->max, high);
    } else {
        snprintf(low, sizeof(low), "%" PRIu64, o->min);
        snprintf(high, sizeof(high), "%" PRIu64, o->max);
    }
    if (o->max == 0) {
        snprintf(out, n, " at least %s", low);
    } else {
        snprintf(out, n, " %s to %s", low, high);
    }
    return out;
}

static const char *place_text(const struct pst_option *o)
{
    if ((o->flags & PST_OPT_LISTENER_ONLY) != 0) {
        return ", at listeners";
    }
    return (o->flags & PST_OPT_EDGE_ONLY) != 0 ? ", at edges" : "";
}

static void put_options(struct table *t, const struct conf_options *options, const char *group)
{
    for (uint32_t i = 0; i < options->n; i++) {
        const struct pst_option *o = conf_option_at(options, i);
        char name[160], values[320], range[80];

        snprintf(name, sizeof(name), "%s%s%s", group, *group != '\0' ? "." : "", o->name);
        snprintf(values, sizeof(values), "%s%s%s%s",
                 o->choices != NULL && (o->flags & PST_OPT_LIST) != 0 ? "list of " : "",
                 o->choices != NULL ? o->choices : type_text(o),
                 range_text(o, range, sizeof(range)), place_text(o));
        put_row(t, name, values,
                (o->flags & PST_OPT_REQUIRED) != 0 ? "required"
                : o->def != NULL                   ? o->def
                                                   : "-",
                o->help != NULL ? o->help : "");
        if (o->type == PST_OPT_GROUP && o->sub != NULL) {
            struct conf_options members = { o->sub, o->n_sub, options->stride };
            put_options(t, &members, name);
        }
    }
}

void conf_describe(FILE *out, const struct pst_option *options, uint32_t n, uint32_t size)
{
    const struct conf_options all = { options, n, size };
    struct table t = { .out = NULL };

    for (int pass = 0; pass < 2; pass++) {
        put_row(&t, "OPTION", "VALUES", "DEFAULT", "MEANING");
        put_options(&t, &all, "");
        t.out = out;
    }
}

void conf_describe_core(FILE *out)
{
    conf_describe(out, &conf_top_keys[0].o, sizeof(conf_top_keys) / sizeof(conf_top_keys[0]),
                  sizeof(conf_top_keys[0]));
}
