/* SPDX-License-Identifier: MIT */
/* Sinks: lines are kept in memory, for the test to read. */
#include "fake_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pst_sink *find(const struct fake_host *h, const char *target)
{
    struct pst_sink *s = h->sinks;

    while (s != NULL && strcmp(s->target, target) != 0) {
        s = s->next;
    }
    return s;
}

static pst_sink *sink_open(pst_instance *self, const char *target, uint32_t overflow, uint64_t ring)
{
    struct pst_sink *s = find(fake_current, target);

    fake_say("sink %s opened by %s", target, fake_instance_name(self));
    if (strstr(target, "/absent/") != NULL) {
        return NULL;
    }
    if (s == NULL) {
        s = fake_alloc(sizeof(*s));
        s->target = fake_copy(target, strlen(target));
        s->next = fake_current->sinks;
        fake_append(&s->lines, "", 0);
        fake_current->sinks = s;
    }
    s->overflow = overflow;
    s->ring = ring;
    s->refs++;
    return s;
}

static void sink_close(pst_sink *sink)
{
    fake_say("sink %s closed", sink->target);
    sink->refs--;
}

static int32_t sink_write(pst_sink *sink, const char *line, size_t n)
{
    if (memchr(line, '\n', n) != NULL) {
        fake_say("bug: a newline inside a line for %s", sink->target);
        return PST_ERR_INVALID;
    }
    if (sink->full) {
        sink->dropped++;
        return PST_ERR_LIMIT;
    }
    fake_append(&sink->lines, line, n);
    fake_append(&sink->lines, "\n", 1);
    return PST_OK;
}

static uint64_t sink_dropped(pst_sink *sink)
{
    return sink->dropped;
}

static void sink_tell_lost(pst_sink *sink, size_t (*line)(char *buf, size_t n, uint64_t lost))
{
    sink->tell_lost = line;
}

static const struct pst_log_sink service = {
    .size = sizeof(service),
    .open = sink_open,
    .close = sink_close,
    .write = sink_write,
    .dropped = sink_dropped,
    .tell_lost = sink_tell_lost,
};

const struct pst_log_sink *fake_sink_service(void)
{
    return &service;
}

void fake_sink_free(struct fake_host *h)
{
    while (h->sinks != NULL) {
        struct pst_sink *s = h->sinks;

        h->sinks = s->next;
        free(s->target);
        free(s->lines.p);
        free(s);
    }
}

const char *fake_sink_lines(const struct fake_host *h, const char *target)
{
    const struct pst_sink *s = find(h, target);

    return s == NULL ? NULL : s->lines.p;
}

int fake_sink_refs(const struct fake_host *h, const char *target, uint32_t *overflow,
                   uint64_t *ring)
{
    const struct pst_sink *s = find(h, target);

    if (s != NULL && overflow != NULL) {
        *overflow = s->overflow;
    }
    if (s != NULL && ring != NULL) {
        *ring = s->ring;
    }
    return s == NULL ? 0 : s->refs;
}

void fake_sink_full(struct fake_host *h, const char *target, int full)
{
    struct pst_sink *s = find(h, target);
    char line[1024];

    if (s != NULL) {
        s->full = full;
    }
    if (s != NULL && !full && s->dropped > 0 && s->tell_lost != NULL) {
        size_t n = s->tell_lost(line, sizeof(line), s->dropped);

        fake_append(&s->lines, line, n);
        fake_append(&s->lines, "\n", 1);
        s->dropped = 0;
    }
}
