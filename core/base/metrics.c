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

struct metric {
    char *name; /* with the prefix */
    char *help;
    enum metric_type type;
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

static bool name_ok(const char *name)
{
    return *name != '\0' && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
}

/* Under the lock. Without memory the slot stays free. */
static int metric_fill(struct metric *m, const char *name, const char *help, enum metric_type type)
{
    if (asprintf(&m->name, PREFIX "%s", name) < 0) {
        m->name = NULL;
        return ERR_NOMEM;
    }
    m->help = strdup(help);
    if (!m->help) {
        free(m->name);
        m->name = NULL;
        return ERR_NOMEM;
    }
    m->type = type;
    return ERR_OK;
}

int metric_define(const char *name, const char *help, enum metric_type type)
{
    int rc;

    if (!name_ok(name) || (type != METRIC_COUNTER && type != METRIC_GAUGE)) {
        return ERR_INVALID;
    }
    pthread_mutex_lock(&reg.lock);
    int count = atomic_load(&reg.count);
    rc = registry_ready();
    if (rc < 0) {
        goto out;
    }
    for (int i = 0; i < count; i++) {
        if (strcmp(reg.metric[i].name + strlen(PREFIX), name) == 0) {
            rc = i;
            goto out;
        }
    }
    if (count == METRICS_MAX) {
        rc = ERR_LIMIT;
        goto out;
    }
    rc = metric_fill(&reg.metric[count], name, help, type);
    if (rc == ERR_OK) {
        atomic_store(&reg.count, count + 1);
        rc = count;
    }
out:
    pthread_mutex_unlock(&reg.lock);
    return rc;
}

void metric_add(int id, int64_t n)
{
    if (id < 0 || id >= atomic_load_explicit(&reg.count, memory_order_relaxed)) {
        return;
    }
    if (!mine) {
        mine = shard_new();
    }
    if (!mine) {
        atomic_fetch_add_explicit(&reg.ended[id], n, memory_order_relaxed);
        return;
    }
    /* The only writer: no read-modify-write needed. Wraps around like the hardware does. */
    uint64_t old = (uint64_t)atomic_load_explicit(&mine->value[id], memory_order_relaxed);
    atomic_store_explicit(&mine->value[id], (int64_t)(old + (uint64_t)n), memory_order_relaxed);
}

/* Under the lock. */
static int64_t sum(int id)
{
    uint64_t total = (uint64_t)atomic_load_explicit(&reg.ended[id], memory_order_relaxed);

    list_each(it, &reg.shards)
    {
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

void metric_each(void (*cb)(void *arg, const char *name, const char *help, enum metric_type type,
                            int64_t value),
                 void *arg)
{
    int count = atomic_load(&reg.count);

    /* Defined metrics never change, so the callback runs without the lock. */
    for (int i = 0; i < count; i++) {
        const struct metric *m = &reg.metric[i];

        cb(arg, m->name, m->help, m->type, metric_sum(i));
    }
}

void metrics_free(void)
{
    pthread_mutex_lock(&reg.lock);
    if (reg.ready) {
        list_each_safe(it, next, &reg.shards)
        {
            free(list_entry(it, struct shard, node));
        }
        pthread_key_delete(reg.key);
        reg.ready = false;
    }
    mine = NULL;
    for (int i = 0; i < METRICS_MAX; i++) {
        free(reg.metric[i].name);
        free(reg.metric[i].help);
        reg.metric[i] = (struct metric){ 0 };
        atomic_store(&reg.ended[i], 0);
    }
    atomic_store(&reg.count, 0);
    pthread_mutex_unlock(&reg.lock);
}
