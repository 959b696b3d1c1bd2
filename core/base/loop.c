/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/base/loop.h"

#include <assert.h>
#include <event2/event.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/inbox.h"

#define SCRATCH_SIZE (256u * 1024u)

struct loop {
    struct event_base *base;
    struct inbox inbox;
    struct event *inbox_event;
    struct event *tasks_event; /* a timer of 0: fires in the next pass, after I/O was looked at */
    struct task tasks;         /* ring of what is queued; the head's fn is NULL                  */
    bool stop;
    uint64_t now; /* of this turn, 0: not asked for yet */
    uint64_t turn;
    uint8_t *scratch;
    atomic_bool running;
};

/* The loop that runs on this thread. */
static _Thread_local const struct loop *current;

static void ring_init(struct task *head)
{
    head->prev = head->next = head;
}

static void ring_append(struct task *head, struct task *t)
{
    t->prev = head->prev;
    t->next = head;
    head->prev->next = t;
    head->prev = t;
}

static void ring_remove(struct task *t)
{
    t->prev->next = t->next;
    t->next->prev = t->prev;
    t->prev = t->next = NULL;
}

/* Move everything queued into the ring of this pass; what is queued later waits for the next. */
static void ring_move(struct task *from, struct task *to)
{
    ring_init(to);
    while (from->next != from) {
        struct task *t = from->next;

        ring_remove(t);
        ring_append(to, t);
    }
}

static void run_tasks(evutil_socket_t fd, short what, void *arg)
{
    struct loop *l = arg;
    struct task pass;

    (void)fd;
    (void)what;
    ring_move(&l->tasks, &pass);
    while (pass.next != &pass) {
        struct task *t = pass.next;

        ring_remove(t);
        t->queued = false;
        t->fn(t);
    }
}

static void run_inbox(evutil_socket_t fd, short what, void *arg)
{
    struct loop *l = arg;
    struct msg *m = inbox_take(&l->inbox);

    (void)fd;
    (void)what;
    while (m) {
        struct msg *next = m->next;

        m->fn(m, l);
        m = next;
    }
}

static struct event_base *base_new(void)
{
    struct event_config *cfg = event_config_new();
    struct event_base *base = NULL;

    if (cfg && event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK) == 0) {
        base = event_base_new_with_config(cfg);
    }
    if (cfg) {
        event_config_free(cfg);
    }
    return base;
}

static void events_free(struct loop *l)
{
    if (l->inbox_event) {
        event_free(l->inbox_event);
    }
    if (l->tasks_event) {
        event_free(l->tasks_event);
    }
    event_base_free(l->base);
}

struct loop *loop_new(void)
{
    struct loop *l = calloc(1, sizeof(*l));

    if (!l) {
        return NULL;
    }
    atomic_init(&l->running, false);
    ring_init(&l->tasks);
    l->base = base_new();
    if (!l->base) {
        goto fail;
    }
    if (inbox_init(&l->inbox) < 0) {
        goto fail_base;
    }
    l->inbox_event = event_new(l->base, l->inbox.fd, EV_READ | EV_PERSIST, run_inbox, l);
    l->tasks_event = evtimer_new(l->base, run_tasks, l);
    if (!l->inbox_event || !l->tasks_event || event_add(l->inbox_event, NULL) < 0) {
        goto fail_inbox;
    }
    return l;

fail_inbox:
    inbox_free(&l->inbox);
fail_base:
    events_free(l);
fail:
    free(l);
    return NULL;
}

void loop_free(struct loop *l)
{
    if (!l) {
        return;
    }
    while (l->inbox.head) {
        run_inbox(-1, 0, l); /* a message may post further ones */
    }
    while (l->tasks.next != &l->tasks) {
        loop_cancel(l, l->tasks.next);
    }
    events_free(l);
    inbox_free(&l->inbox);
    free(l->scratch);
    free(l);
}

struct event_base *loop_base(struct loop *l)
{
    return l->base;
}

int loop_run(struct loop *l)
{
    const struct loop *outer = current;
    int rc = ERR_OK;

    current = l;
    atomic_store(&l->running, true);
    while (!l->stop) {
        l->now = 0;
        l->turn++;
        if (event_base_loop(l->base, EVLOOP_ONCE) < 0) {
            rc = ERR_SYS;
            break;
        }
    }
    l->stop = false;
    atomic_store(&l->running, false);
    current = outer;
    return rc;
}

void loop_stop(struct loop *l)
{
    l->stop = true;
}

uint64_t loop_now(struct loop *l)
{
    if (current != l) {
        return clock_ns(); /* nobody counts turns outside loop_run() */
    }
    if (l->now == 0) {
        l->now = clock_ns();
    }
    return l->now;
}

uint64_t loop_turn(const struct loop *l)
{
    return l->turn;
}

bool loop_timer(struct event *timer, uint64_t ms)
{
    const struct timeval tv = { .tv_sec = (time_t)(ms / 1000),
                                .tv_usec = (suseconds_t)(ms % 1000 * 1000) };

    if (event_add(timer, &tv) == 0) {
        return true;
    }
    event_active(timer, EV_TIMEOUT, 0);
    return false;
}

void loop_defer(struct loop *l, struct task *t)
{
    static const struct timeval at_once = { 0, 0 };

    if (t->queued) {
        return;
    }
    t->queued = true;
    /* Without memory for the timer: in this pass, which needs none. */
    if (l->tasks.next == &l->tasks && event_add(l->tasks_event, &at_once) < 0) {
        event_active(l->tasks_event, EV_TIMEOUT, 0);
    }
    ring_append(&l->tasks, t);
}

void loop_cancel(struct loop *l, struct task *t)
{
    (void)l;
    if (t->queued) {
        ring_remove(t);
        t->queued = false;
    }
}

void loop_post(struct loop *l, struct msg *m)
{
    inbox_put(&l->inbox, m);
}

uint8_t *loop_scratch(struct loop *l, size_t *n)
{
    if (!l->scratch) {
        void *p = NULL;

        if (posix_memalign(&p, 4096, SCRATCH_SIZE) != 0) {
            *n = 0;
            return NULL;
        }
        l->scratch = p;
    }
    *n = SCRATCH_SIZE;
    return l->scratch;
}

bool loop_is_mine(struct loop *l)
{
    return current == l || !atomic_load(&l->running);
}
