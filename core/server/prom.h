/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Samples in the text format of Prometheus, version 0.0.4, or as JSON objects that carry the same
 * texts. Pure.
 */
#ifndef POSTERN_SERVER_PROM_H
#define POSTERN_SERVER_PROM_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct metric_view;

enum prom_form { PROM_TEXT, PROM_JSON };

struct prom {
    struct buf *b;
    enum prom_form form;
};

/* Longest label set: three values of 255 bytes, every byte escaped. */
#define PROM_LABELS_MAX 2048

struct prom_labels {
    char text[PROM_LABELS_MAX]; /* `a="b",c="d"` */
    size_t n;
};

/* Append a label; the value is escaped. One that does not fit is cut. NULL counts as "". */
void prom_label(struct prom_labels *l, const char *key, const char *value);

/* Announce a family: "counter", "gauge" or "histogram". */
void prom_family(struct prom *p, const char *name, const char *type, const char *help);
/* One sample. labels may be NULL. What does not fit the buffer is left out whole. */
void prom_u64(struct prom *p, const char *name, const struct prom_labels *labels, uint64_t value);
void prom_i64(struct prom *p, const char *name, const struct prom_labels *labels, int64_t value);
/* Nanoseconds, shown in seconds. */
void prom_ns(struct prom *p, const char *name, const struct prom_labels *labels, uint64_t ns);
/* A metric of the registry, with its family when it is the first. */
void prom_metric(struct prom *p, const struct metric_view *m);

#endif
