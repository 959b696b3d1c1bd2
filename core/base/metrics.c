/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/base/metrics.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/list.h"

#define PREFIX "postern_"
#define TOTAL  "_total"

struct metric {
    char *name; /* of the family, with the prefix; NULL: a slot of the histogram before */
    char *labels;
    char *help;
    enum metric_type type;
    const uint64_t *bounds; /* histogram */
    size_t n_bounds;
    int next;   /* of the same family, 0: none */
    bool later; /* not the first of its family */
};

/* One thread's numbers. Only its thread writes; everybody may read. */
struct shard {
    struct list node;
    _Atomic int64_t value[METRICS_MAX];
};

/* The registry: everything but `count` is guarded by `lock`. */
static struct {
    pthread_mutex_t lock;
    struct list shards;
    bool ready; /* shards and key are set up */
    pthread_key_t key;
    struct metric metric[METRICS_MAX];
    _Atomic int64_t ended[METRICS_MAX]; /* of threads that are gone */
    atomic_int count;
} reg = { .lock = PTHREAD_MUTEX_INITIALIZER };

static _Thread_local struct shard *mine;

/* A thread ends: keep what it counted. */
static void shard_end(void *arg)
{
    struct shard *s = arg;

    pthread_mutex_lock(&reg.lock);
    for (int i = 0; i < METRICS_MAX; i++) {
        atomic_fetch_add_explicit(&reg.ended[i],
                                  atomic_load_explicit(&s->value[i], memory_order_relaxed),
                                  memory_order_relaxed);
    }
    list_remove(&s->node);
    pthread_mutex_unlock(&reg.lock);
    mine = NULL;
    free(s);
}

/* Under the lock. */
static int registry_ready(void)
{
    if (!reg.ready) {
        list_init(&reg.shards);
        if (pthread_key_create(&reg.key, shard_end) != 0) {
            return ERR_NOMEM;
        }
        reg.ready = true;
    }
    return ERR_OK;
}

static struct shard *shard_new(void)
{
    struct shard *s = calloc(1, sizeof(*s));

    if (!s) {
        return NULL;
    }
    pthread_mutex_lock(&reg.lock);
    if (!reg.ready || pthread_setspecific(reg.key, s) != 0) {
        pthread_mutex_unlock(&reg.lock);
        free(s);
        return NULL;
    }
    list_append(&reg.shards, &s->node);
    pthread_mutex_unlock(&reg.lock);
    return s;
}

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyz0123456789_"

/* key="value", the value without quotes, backslashes and control characters. NULL: it is not. */
static const char *label_end(const char *z)
{
    size_t key = strspn(z, NAME_CHARS);

    if (key == 0 || (*z >= '0' && *z <= '9') || z[key] != '=' || z[key + 1] != '"') {
        return NULL;
    }
    for (z += key + 2; *z != '"'; z++) {
        if (*z < ' ' || *z > '~' || *z == '\\') {
            return NULL;
        }
    }
    return z + 1;
}

/* {label,label} or nothing. */
static bool labels_ok(const char *z)
{
    if (*z == '\0') {
        return true;
    }
    if (*z != '{') {
        return false;
    }
    do {
        z = label_end(z + 1);
    } while (z != NULL && *z == ',');
    return z != NULL && z[0] == '}' && z[1] == '\0';
}

/* Split into family (with prefix and suffix) and labels (without braces). */
static int name_split(const char *name, enum metric_type type, char family[METRIC_NAME_MAX],
                      char labels[METRIC_NAME_MAX])
{
    size_t n = strspn(name, NAME_CHARS), len = strlen(name);
    size_t total = strlen(TOTAL);
    bool has = n >= total && memcmp(name + n - total, TOTAL, total) == 0;
    const char *suffix = type == METRIC_COUNTER && !has ? TOTAL : "";

    if (n == 0 || strlen(PREFIX) + len + total >= METRIC_NAME_MAX || !labels_ok(name + n)) {
        return ERR_INVALID;
    }
    (void)snprintf(family, METRIC_NAME_MAX, PREFIX "%.*s%s", (int)n, name, suffix);
    (void)snprintf(labels, METRIC_NAME_MAX, "%.*s", n < len ? (int)(len - n - 2) : 0,
                   n < len ? name + n + 1 : "");
    return ERR_OK;
}

/* Under the lock. Without memory the slot stays free. */
static int metric_fill(struct metric *m, const char *family, const char *labels, const char *help)
{
    m->name = strdup(family);
    m->labels = strdup(labels);
    m->help = strdup(help);
    if (!m->name || !m->labels || !m->help) {
        free(m->name);
        free(m->labels);
        free(m->help);
        *m = (struct metric){ 0 };
        return ERR_NOMEM;
    }
    return ERR_OK;
}

/* The metric of this name and labels, or ERR_NOT_FOUND; *last is the last of its family, or -1. */
static int metric_look(const char *family, const char *labels, int count, int *last)
{
    *last = -1;
    for (int i = 0; i < count; i++) {
        if (reg.metric[i].name == NULL || strcmp(reg.metric[i].name, family) != 0) {
            continue;
        }
        if (strcmp(reg.metric[i].labels, labels) == 0) {
            return i;
        }
        *last = i;
    }
    return ERR_NOT_FOUND;
}

static int define(const char *name, const char *help, enum metric_type type, const uint64_t *bounds,
                  size_t n_bounds)
{
    char family[METRIC_NAME_MAX], labels[METRIC_NAME_MAX];
    int slots = type == METRIC_HISTOGRAM ? (int)n_bounds + 2 : 1;
    int rc = name_split(name, type, family, labels);
    int count, last;

    if (rc != ERR_OK) {
        return rc;
    }
    pthread_mutex_lock(&reg.lock);
    count = atomic_load(&reg.count);
    rc = registry_ready();
    if (rc < 0) {
        goto out;
    }
    rc = metric_look(family, labels, count, &last);
    if (rc >= 0) {
        goto out;
    }
    if (last >= 0 && reg.metric[last].type != type) {
        rc = ERR_INVALID;
        goto out;
    }
    if (count + slots > METRICS_MAX) {
        rc = ERR_LIMIT;
        goto out;
    }
    rc = metric_fill(&reg.metric[count], family, labels, help);
    if (rc == ERR_OK) {
        struct metric *m = &reg.metric[count];

        m->type = type;
        m->bounds = bounds;
        m->n_bounds = n_bounds;
        m->later = last >= 0;
        if (last >= 0) {
            reg.metric[last].next = count;
        }
        atomic_store(&reg.count, count + slots);
        rc = count;
    }
out:
    pthread_mutex_unlock(&reg.lock);
    return rc;
}

int metric_define(const char *name, const char *help, enum metric_type type)
{
    if (type != METRIC_COUNTER && type != METRIC_GAUGE) {
        return ERR_INVALID;
    }
    return define(name, help, type, NULL, 0);
}

int metric_define_histogram(const char *name, const char *help, const uint64_t *bounds, size_t n)
{
    if (n == 0 || n > METRIC_BOUNDS_MAX) {
        return ERR_INVALID;
    }
    return define(name, help, METRIC_HISTOGRAM, bounds, n);
}

/* The only writer: no read-modify-write needed. Wraps around like the hardware does. */
static void shard_add(struct shard *s, int id, int64_t n)
{
    uint64_t old = (uint64_t)atomic_load_explicit(&s->value[id], memory_order_relaxed);

    atomic_store_explicit(&s->value[id], (int64_t)(old + (uint64_t)n), memory_order_relaxed);
}

static void add(int id, int64_t n)
{
    if (!mine) {
        mine = shard_new();
    }
    if (!mine) {
        atomic_fetch_add_explicit(&reg.ended[id], n, memory_order_relaxed);
        return;
    }
    shard_add(mine, id, n);
}

static bool is_known(int id)
{
    return id >= 0 && id < atomic_load_explicit(&reg.count, memory_order_relaxed);
}

void metric_add(int id, int64_t n)
{
    if (is_known(id)) {
        add(id, n);
    }
}

void metric_observe(int id, uint64_t ns)
{
    const struct metric *m = is_known(id) ? &reg.metric[id] : NULL;
    size_t i = 0;

    if (m == NULL || m->type != METRIC_HISTOGRAM) {
        return;
    }
    while (i < m->n_bounds && ns > m->bounds[i]) {
        i++;
    }
    add(id + (int)i, 1);
    add(id + (int)m->n_bounds + 1, (int64_t)ns);
}

/* Under the lock. */
static int64_t sum(int id)
{
    uint64_t total = (uint64_t)atomic_load_explicit(&reg.ended[id], memory_order_relaxed);

    list_each (it, &reg.shards) {
        struct shard *s = list_entry(it, struct shard, node);

        total += (uint64_t)atomic_load_explicit(&s->value[id], memory_order_relaxed);
    }
    return (int64_t)total;
}

int64_t metric_sum(int id)
{
    int64_t total = 0;

    pthread_mutex_lock(&reg.lock);
    if (id >= 0 && id < atomic_load(&reg.count)) {
        total = sum(id);
    }
    pthread_mutex_unlock(&reg.lock);
    return total;
}

static void show(int id, void (*cb)(void *arg, const struct metric_view *m), void *arg)
{
    const struct metric *m = &reg.metric[id];
    struct metric_view v = { .name = m->name,
                             .labels = m->labels,
                             .help = m->help,
                             .type = m->type,
                             .first = !m->later,
                             .bounds = m->bounds,
                             .n_bounds = m->n_bounds };

    if (m->type == METRIC_HISTOGRAM) {
        for (size_t i = 0; i <= m->n_bounds; i++) {
            v.counts[i] = metric_sum(id + (int)i);
        }
        v.value = metric_sum(id + (int)m->n_bounds + 1);
    } else {
        v.value = metric_sum(id);
    }
    cb(arg, &v);
}

void metric_each(void (*cb)(void *arg, const struct metric_view *m), void *arg)
{
    int count = atomic_load(&reg.count);

    /* Defined metrics never change, so the callback runs without the lock. */
    for (int i = 0; i < count; i++) {
        if (reg.metric[i].name == NULL || reg.metric[i].later) {
            continue;
        }
        show(i, cb, arg);
        for (int k = reg.metric[i].next; k != 0; k = reg.metric[k].next) {
            show(k, cb, arg);
        }
    }
}

void metrics_free(void)
{
    pthread_mutex_lock(&reg.lock);
    if (reg.ready) {
        list_each_safe (it, next, &reg.shards) {
            free(list_entry(it, struct shard, node));
        }
        pthread_key_delete(reg.key);
        reg.ready = false;
    }
    mine = NULL;
    for (int i = 0; i < METRICS_MAX; i++) {
        free(reg.metric[i].name);
        free(reg.metric[i].labels);
        free(reg.metric[i].help);
        reg.metric[i] = (struct metric){ 0 };
        atomic_store(&reg.ended[i], 0);
    }
    atomic_store(&reg.count, 0);
    pthread_mutex_unlock(&reg.lock);
}
