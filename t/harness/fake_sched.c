/* SPDX-License-Identifier: MIT */
/* Timers, watches and jobs, all fired by hand. */
#include "fake_priv.h"

#include <stdlib.h>

static pst_timer *host_timer_new(struct pst_scope scope, void (*fire)(void *arg), void *arg)
{
    pst_timer *t;

    FAKE_HERE();
    if (fake_refuses()) {
        return NULL;
    }
    t = fake_alloc(sizeof(*t));
    *t = (pst_timer){ fake_current->timers, scope, fire, arg, 0 };
    fake_current->timers = t;
    return t;
}

static int32_t host_timer_start(pst_timer *timer, uint64_t ms)
{
    FAKE_HERE();
    timer->due_ns = fake_current->now_ns + ms * 1000000;
    fake_say("timer %llu ms", (unsigned long long)ms);
    return PST_OK;
}

static void host_timer_stop(pst_timer *timer)
{
    FAKE_HERE();
    timer->due_ns = 0;
}

static void host_timer_free(pst_timer *timer)
{
    pst_timer **at = &fake_current->timers;

    FAKE_HERE();
    while (*at != NULL && *at != timer) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        abort();
    }
    *at = timer->next;
    free(timer);
}

int fake_host_advance(struct fake_host *h, uint64_t ms)
{
    uint64_t until = h->now_ns + ms * 1000000;
    int fired = 0;

    for (;;) {
        pst_timer *next = NULL;

        for (pst_timer *t = h->timers; t != NULL; t = t->next) {
            if (t->due_ns != 0 && t->due_ns <= until &&
                (next == NULL || t->due_ns < next->due_ns)) {
                next = t;
            }
        }
        if (next == NULL) {
            break;
        }
        h->now_ns = next->due_ns > h->now_ns ? next->due_ns : h->now_ns;
        next->due_ns = 0;
        fired++;
        next->fire(next->arg);
    }
    h->now_ns = until;
    return fired;
}

static pst_watch *host_watch_new(struct pst_scope scope, int32_t fd, uint32_t events,
                                 void (*ready)(void *arg, uint32_t events), void *arg)
{
    pst_watch *w;

    FAKE_HERE();
    if (fake_refuses()) {
        return NULL;
    }
    w = fake_alloc(sizeof(*w));
    *w = (pst_watch){ fake_current->watches, scope, fd, events, ready, arg };
    fake_current->watches = w;
    return w;
}

static int32_t host_watch_change(pst_watch *watch, uint32_t events)
{
    FAKE_HERE();
    watch->events = events;
    return PST_OK;
}

static void host_watch_free(pst_watch *watch)
{
    pst_watch **at = &fake_current->watches;

    FAKE_HERE();
    while (*at != NULL && *at != watch) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        abort();
    }
    *at = watch->next;
    free(watch);
}

int fake_host_watch(struct fake_host *h, int fd, uint32_t events)
{
    int n = 0;

    for (pst_watch *w = h->watches, *next; w != NULL; w = next) {
        next = w->next;
        if (w->fd == fd && (w->events & events) != 0) {
            n++;
            w->ready(w->arg, w->events & events);
        }
    }
    return n;
}

static int32_t host_offload(struct pst_scope scope, void (*job)(void *arg),
                            void (*done)(void *arg, int32_t status), void *arg)
{
    struct fake_job *j, **at = &fake_current->jobs;

    FAKE_HERE();
    if (fake_refuses()) {
        return PST_ERR_NOMEM;
    }
    j = fake_alloc(sizeof(*j));
    *j = (struct fake_job){ NULL, scope, done, arg, PST_OK };
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = j;
    fake_say("offload");
    fake_current->in_job++;
    job(arg);
    fake_current->in_job--;
    return PST_OK;
}

int fake_host_turn(struct fake_host *h)
{
    int n = 0;

    while (h->jobs != NULL) {
        struct fake_job *j = h->jobs;

        h->jobs = j->next;
        j->done(j->arg, j->status);
        free(j);
        n++;
    }
    return n;
}

void fake_sched_end(void *owner)
{
    struct fake_host *h = fake_current;

    for (pst_timer *t = h->timers, *next; t != NULL; t = next) {
        next = t->next;
        if (t->scope.owner == owner) {
            host_timer_free(t);
        }
    }
    for (pst_watch *w = h->watches, *next; w != NULL; w = next) {
        next = w->next;
        if (w->scope.owner == owner) {
            host_watch_free(w);
        }
    }
    for (struct fake_job *j = h->jobs; j != NULL; j = j->next) {
        if (j->scope.owner == owner) {
            j->scope.owner = NULL;
            j->status = PST_ERR_CANCELLED;
        }
    }
}

void fake_sched_free(struct fake_host *h)
{
    fake_host_turn(h);
    while (h->timers != NULL) {
        host_timer_free(h->timers);
    }
    while (h->watches != NULL) {
        host_watch_free(h->watches);
    }
}

void fake_sched_table(struct pst_host *t)
{
    t->timer_new = host_timer_new;
    t->timer_start = host_timer_start;
    t->timer_stop = host_timer_stop;
    t->timer_free = host_timer_free;
    t->watch_new = host_watch_new;
    t->watch_change = host_watch_change;
    t->watch_free = host_watch_free;
    t->offload = host_offload;
}
