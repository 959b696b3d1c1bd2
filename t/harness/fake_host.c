/* SPDX-License-Identifier: MIT */
/* The host itself: the transcript, log, metrics, clocks and memory. */
#include "fake_priv.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_host *fake_current;

void *fake_alloc(size_t n)
{
    void *p = calloc(1, n > 0 ? n : 1);

    if (p == NULL) {
        abort();
    }
    return p;
}

char *fake_copy(const char *p, size_t n)
{
    char *copy = fake_alloc(n + 1);

    if (n > 0) {
        memcpy(copy, p, n);
    }
    return copy;
}

void fake_append(struct fake_text *t, const void *p, size_t n)
{
    if (t->n + n + 1 > t->room) {
        t->room = (t->n + n + 1) * 2;
        t->p = realloc(t->p, t->room);
        if (t->p == NULL) {
            abort();
        }
    }
    if (n > 0) {
        memcpy(t->p + t->n, p, n);
    }
    t->n += n;
    t->p[t->n] = '\0';
}

void fake_say(const char *fmt, ...)
{
    char line[2048];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    fake_append(&fake_current->transcript, line, strlen(line));
    fake_append(&fake_current->transcript, "\n", 1);
}

/* An address that tells threads apart. */
static const void *this_thread(void)
{
    static _Thread_local char here;

    return &here;
}

void fake_here(const char *call)
{
    if (fake_current->in_job || fake_current->thread != this_thread()) {
        fake_say("bug: %s() on another thread", call);
    }
}

void fake_main(const char *call)
{
    fake_here(call);
    if (fake_current->in_hook) {
        fake_say("bug: %s() is for the main thread, not for a hook of a connection", call);
    }
}

unsigned fake_host_refuse(struct fake_host *h, unsigned k)
{
    unsigned asked = h->asked;

    h->refuse = k;
    h->asked = 0;
    return asked;
}

int fake_refuses(void)
{
    return ++fake_current->asked == fake_current->refuse;
}

const char *fake_verdict_name(int32_t verdict)
{
    static const char *const names[] = { "?", "NEXT", "DENY", "PENDING", "MORE", "CLAIM" };

    return verdict >= PST_NEXT && verdict <= PST_CLAIM ? names[verdict] : "ERROR";
}

static uint32_t host_log_enabled(uint32_t level)
{
    return level >= PST_LOG_ERROR && level <= PST_LOG_DEBUG;
}

static void host_log(pst_instance *self, pst_conn *conn, uint32_t level, const char *text, size_t n)
{
    static const char *const names[] = { "error", "warning", "notice", "info", "debug" };

    fake_say("log %s %s%s: %.*s", host_log_enabled(level) ? names[level - PST_LOG_ERROR] : "?",
             fake_instance_name(self), conn != NULL ? " conn" : "", (int)n, text);
}

static int32_t host_metric_define(const char *module, const char *name, const char *help,
                                  uint32_t type)
{
    struct fake_host *h = fake_current;

    for (int i = 0; i < h->n_metrics; i++) {
        if (strcmp(h->metrics[i].module, module) == 0 && strcmp(h->metrics[i].name, name) == 0) {
            return i;
        }
    }
    if (h->n_metrics == FAKE_METRICS) {
        return PST_ERR_LIMIT;
    }
    if (help == NULL || help[0] == '\0' ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strcspn(name, "{") ||
        (type != PST_METRIC_COUNTER && type != PST_METRIC_GAUGE)) {
        return PST_ERR_INVALID;
    }
    h->metrics[h->n_metrics].module = fake_copy(module, strlen(module));
    h->metrics[h->n_metrics].name = fake_copy(name, strlen(name));
    return h->n_metrics++;
}

static void host_metric_add(int32_t id, int64_t n)
{
    if (id >= 0 && id < fake_current->n_metrics) {
        fake_current->metrics[id].sum += n;
    }
}

static uint64_t host_now_ns(void)
{
    return fake_current->now_ns;
}

/* The wall began at a round number, so that transcripts are the same every day. */
static uint64_t host_wall_us(void)
{
    return 1700000000000000ull + fake_current->now_ns / 1000;
}

static const void *host_get_service(const char *name)
{
    FAKE_MAIN();
    fake_say("get_service %s", name);
    return strcmp(name, PST_LOG_SINK) == 0 ? fake_sink_service() : NULL;
}

struct fake_host *fake_host_new(void)
{
    static const char *const core_vars[] = {
        "conn.id",
        "conn.listener",
        "conn.tls.sni",
        "conn.tls.alpn_offered",
        "conn.tls.ja4",
        "edge.name",
        "upstream.addr",
        "conn.tls.hello",
        "conn.start_ns",
        "conn.peer_port",
        "upstream.connect_ns",
        "conn.local_port",
        "upstream.name",
        "conn.client_port",
        "conn.tls.versions_offered",
        "conn.tls.ech_offered",
    };
    static const char *const core_addrs[] = { "conn.peer_ip", "conn.client_ip", "conn.local_ip" };
    struct fake_host *h;

    if (fake_current != NULL) {
        abort();
    }
    h = fake_current = fake_alloc(sizeof(*h));
    h->table.size = sizeof(h->table);
    h->table.minor = PST_ABI_MINOR;
    h->table.log_enabled = host_log_enabled;
    h->table.log = host_log;
    h->table.metric_define = host_metric_define;
    h->table.metric_add = host_metric_add;
    h->table.now_ns = host_now_ns;
    h->table.wall_us = host_wall_us;
    h->table.get_service = host_get_service;
    fake_module_table(&h->table);
    fake_conf_table(&h->table);
    fake_vars_table(&h->table);
    fake_conn_table(&h->table);
    fake_stream_table(&h->table);
    fake_sched_table(&h->table);
    h->now_ns = 1000000000;
    h->thread = this_thread();
    config_init(&h->shared);
    fake_append(&h->transcript, "", 0);
    for (size_t i = 0; i < sizeof(core_vars) / sizeof(core_vars[0]); i++) {
        fake_var_id(core_vars[i], i < 6 && i != 0 ? PST_VALUE_STR : PST_VALUE_U64);
    }
    for (size_t i = 0; i < sizeof(core_addrs) / sizeof(core_addrs[0]); i++) {
        fake_var_id(core_addrs[i], PST_VALUE_ADDR);
    }
    return h;
}

void fake_host_free(struct fake_host *h)
{
    if (h == NULL) {
        return;
    }
    while (h->conns != NULL) {
        fake_conn_end(h->conns, NULL);
    }
    while (h->modules != NULL) {
        struct fake_module *m = h->modules;

        h->modules = m->next;
        if (m->desc.unload != NULL) {
            m->desc.unload();
        }
        free(m);
    }
    fake_sched_free(h);
    fake_sink_free(h);
    fake_vars_free(h);
    for (int i = 0; i < h->n_metrics; i++) {
        free(h->metrics[i].module);
        free(h->metrics[i].name);
    }
    while (h->services != NULL) {
        struct fake_service *s = h->services;

        h->services = s->next;
        free(s->name);
        free(s);
    }
    while (h->listeners != NULL) {
        struct pst_listener *l = h->listeners;

        h->listeners = l->next;
        free(l->name);
        free(l);
    }
    config_destroy(&h->shared);
    free(h->transcript.p);
    free(h);
    fake_current = NULL;
}

const struct pst_host *fake_host_table(struct fake_host *h)
{
    return &h->table;
}

void fake_host_truncate(struct fake_host *h, uint32_t size, uint32_t minor)
{
    /* What lies beyond is cleared: a module that does not ask first crashes here, not later. */
    memset((char *)&h->table + size, 0, sizeof(h->table) - size);
    h->table.size = size;
    h->table.minor = minor;
}

const char *fake_host_transcript(const struct fake_host *h)
{
    return h->transcript.p;
}

void fake_host_forget(struct fake_host *h)
{
    h->transcript.n = 0;
    h->transcript.p[0] = '\0';
}

int fake_host_saw(const struct fake_host *h, const char *text)
{
    return strstr(h->transcript.p, text) != NULL;
}

int64_t fake_host_metric(const struct fake_host *h, const char *module, const char *name)
{
    for (int i = 0; i < h->n_metrics; i++) {
        if (strcmp(h->metrics[i].module, module) == 0 && strcmp(h->metrics[i].name, name) == 0) {
            return h->metrics[i].sum;
        }
    }
    return INT64_MIN;
}

int fake_host_tickets(const struct fake_host *h)
{
    return h->tickets;
}
