/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/server/prom.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/json.h"
#include "core/base/metrics.h"

/* Longest value and suffix. */
#define VALUE_MAX       48
#define HELP_MAX        512
#define SAMPLE_NAME_MAX (METRIC_NAME_MAX + 16)

static const char *type_name(enum metric_type type)
{
    return type == METRIC_COUNTER ? "counter" : type == METRIC_GAUGE ? "gauge" : "histogram";
}

static void label_put(struct prom_labels *l, const char *p, size_t n)
{
    /* Room for the closing quote and the NUL is always kept. */
    if (l->n + n + 2 <= sizeof(l->text)) {
        memcpy(l->text + l->n, p, n);
        l->n += n;
        l->text[l->n] = '\0';
    }
}

void prom_label(struct prom_labels *l, const char *key, const char *value)
{
    size_t begin = l->n;

    if (l->n + strlen(key) + 6 > sizeof(l->text)) {
        return;
    }
    if (begin > 0) {
        label_put(l, ",", 1);
    }
    label_put(l, key, strlen(key));
    label_put(l, "=\"", 2);
    for (const char *z = value == NULL ? "" : value; *z != '\0'; z++) {
        switch (*z) {
        case '\n':
            label_put(l, "\\n", 2);
            break;
        case '"':
        case '\\':
            label_put(l, (const char[]){ '\\', *z }, 2);
            break;
        default:
            label_put(l, z, 1);
            break;
        }
    }
    l->text[l->n++] = '"';
    l->text[l->n] = '\0';
}

/* A line, whole or not at all. */
static void line(struct buf *b, const char *const *parts, size_t n)
{
    size_t start = b->len;

    for (size_t i = 0; i < n; i++) {
        if (buf_add(b, parts[i], strlen(parts[i])) != ERR_OK) {
            b->len = start;
            return;
        }
    }
}

#define LINE(b, ...)                                                                               \
    line((b), (const char *const[]){ __VA_ARGS__ },                                                \
         sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

/* A help that came from a module, on one line. */
static const char *help_text(const char *help, char out[HELP_MAX])
{
    size_t n = 0;

    for (; *help != '\0' && n < HELP_MAX - 1; help++) {
        out[n++] = *help == '\\' ? '/' : *help == '\n' ? ' ' : *help;
    }
    out[n] = '\0';
    return out;
}

void prom_family(struct prom *p, const char *name, const char *type, const char *help)
{
    char text[HELP_MAX];
    struct json j;

    if (p->form == PROM_TEXT) {
        LINE(p->b, "# HELP ", name, " ", help_text(help, text), "\n# TYPE ", name, " ", type, "\n");
        return;
    }
    json_begin(&j, p->b);
    json_str(&j, "family", name);
    json_str(&j, "type", type);
    json_str(&j, "help", help);
    (void)json_end(&j);
}

static void sample(struct prom *p, const char *name, const char *labels, const char *value)
{
    struct json j;

    if (p->form == PROM_TEXT) {
        if (labels == NULL || labels[0] == '\0') {
            LINE(p->b, name, " ", value, "\n");
        } else {
            LINE(p->b, name, "{", labels, "} ", value, "\n");
        }
        return;
    }
    json_begin(&j, p->b);
    json_str(&j, "name", name);
    json_str(&j, "labels", labels == NULL ? "" : labels);
    json_str(&j, "value", value);
    (void)json_end(&j);
}

static const char *text_of(const struct prom_labels *l)
{
    return l == NULL ? NULL : l->text;
}

void prom_u64(struct prom *p, const char *name, const struct prom_labels *labels, uint64_t value)
{
    char text[VALUE_MAX];

    (void)snprintf(text, sizeof(text), "%" PRIu64, value);
    sample(p, name, text_of(labels), text);
}

void prom_i64(struct prom *p, const char *name, const struct prom_labels *labels, int64_t value)
{
    char text[VALUE_MAX];

    (void)snprintf(text, sizeof(text), "%" PRId64, value);
    sample(p, name, text_of(labels), text);
}

/* "0.00025", without trailing zeroes: exact where a double would not be. */
static const char *seconds(uint64_t ns, char text[VALUE_MAX])
{
    size_t n = (size_t)snprintf(text, VALUE_MAX, "%" PRIu64 ".%09" PRIu64, ns / 1000000000,
                                ns % 1000000000);

    while (text[n - 1] == '0') {
        text[--n] = '\0';
    }
    if (text[n - 1] == '.') {
        text[n - 1] = '\0';
    }
    return text;
}

void prom_ns(struct prom *p, const char *name, const struct prom_labels *labels, uint64_t ns)
{
    char text[VALUE_MAX];

    sample(p, name, text_of(labels), seconds(ns, text));
}

static void histogram(struct prom *p, const struct metric_view *m)
{
    char name[SAMPLE_NAME_MAX], labels[METRIC_NAME_MAX + VALUE_MAX], bound[VALUE_MAX],
        value[VALUE_MAX];
    uint64_t count = 0;

    (void)snprintf(name, sizeof(name), "%s_bucket", m->name);
    for (size_t i = 0; i <= m->n_bounds; i++) {
        count += (uint64_t)m->counts[i];
        (void)snprintf(labels, sizeof(labels), "%s%sle=\"%s\"", m->labels,
                       m->labels[0] != '\0' ? "," : "",
                       i < m->n_bounds ? seconds(m->bounds[i], bound) : "+Inf");
        (void)snprintf(value, sizeof(value), "%" PRIu64, count);
        sample(p, name, labels, value);
    }
    (void)snprintf(name, sizeof(name), "%s_sum", m->name);
    sample(p, name, m->labels, seconds((uint64_t)m->value, value));
    (void)snprintf(name, sizeof(name), "%s_count", m->name);
    (void)snprintf(value, sizeof(value), "%" PRIu64, count);
    sample(p, name, m->labels, value);
}

void prom_metric(struct prom *p, const struct metric_view *m)
{
    char value[VALUE_MAX];

    if (m->first) {
        prom_family(p, m->name, type_name(m->type), m->help);
    }
    if (m->type == METRIC_HISTOGRAM) {
        histogram(p, m);
        return;
    }
    (void)snprintf(value, sizeof(value), "%" PRId64, m->value);
    sample(p, m->name, m->labels, value);
}
