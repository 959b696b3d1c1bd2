/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/base/loop.h"

#include <event2/event.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/inbox.h"
#include "core/base/list.h"
#include "core/base/poller.h"
#include "core/base/timers.h"

#define SCRATCH_SIZE (256u * 1024u)
#define NS_PER_MS    UINT64_C(1000000)

struct loop {
    struct poller poller;
    struct loop_timer *timers; /* the next one; NULL: none is armed */
    struct inbox inbox;
    struct loop_fd inbox_fd;
    struct task tasks;       /* ring of what is queued; the head's fn is NULL        */
    struct event_base *base; /* NULL: nobody asked for it                            */
    struct event *base_fd;   /* of `poller`, so that waiting in the base is for both */
    struct event *base_timer;
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

static void run_tasks(struct loop *l)
{
    struct task pass;

    ring_move(&l->tasks, &pass);
    while (pass.next != &pass) {
        struct task *t = pass.next;

        ring_remove(t);
        t->fn(t);
    }
}

static void run_timers(struct loop *l)
{
    struct loop_timer *t = l->timers;

    for (uint64_t now = t == NULL ? 0 : loop_now(l); t != NULL && t->at <= now; t = l->timers) {
        timers_remove(&l->timers, t);
        t->fn(t);
    }
}

static void run_inbox(struct loop_fd *f, uint32_t events)
{
    struct loop *l = list_entry(f, struct loop, inbox_fd);
    struct msg *m = inbox_take(&l->inbox);

    (void)events;
    while (m) {
        struct msg *next = m->next;

        m->fn(m, l);
        m = next;
    }
}

/* --- libevent --------------------------------------------------------------------------------- */

/* There is something for loop_step() to do, when the base lets go. */
static void on_base_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

static void base_free(struct loop *l)
{
    if (l->base_fd) {
        event_free(l->base_fd);
    }
    if (l->base_timer) {
        event_free(l->base_timer);
    }
    if (l->base) {
        event_base_free(l->base);
    }
    l->base = NULL;
    l->base_fd = l->base_timer = NULL;
}

struct event_base *loop_base(struct loop *l)
{
    struct event_config *cfg = l->base ? NULL : event_config_new();

    if (l->base || !cfg) {
        return l->base;
    }
    if (event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK) == 0) {
        l->base = event_base_new_with_config(cfg);
    }
    event_config_free(cfg);
    if (!l->base) {
        return NULL;
    }
    l->base_fd = event_new(l->base, l->poller.fd, EV_READ | EV_PERSIST, on_base_event, NULL);
    l->base_timer = evtimer_new(l->base, on_base_event, NULL);
    if (!l->base_fd || !l->base_timer || event_add(l->base_fd, NULL) < 0) {
        base_free(l);
    }
    return l->base;
}

/*
 * Wait inside libevent and let its callbacks run; ours are then due or not. Without memory for the
 * deadline there is no wait.
 */
static int base_wait(struct loop *l, int ms)
{
    const struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000L };

    if (ms <= 0) {
        (void)evtimer_del(l->base_timer);
    } else if (evtimer_add(l->base_timer, &tv) < 0) {
        ms = 0;
    }
    return event_base_loop(l->base, ms == 0 ? EVLOOP_NONBLOCK : EVLOOP_ONCE) < 0 ? ERR_SYS : ERR_OK;
}

/* --- life ------------------------------------------------------------------------------------- */

struct loop *loop_new(void)
{
    struct loop *l = calloc(1, sizeof(*l));

    if (!l) {
        return NULL;
    }
    atomic_init(&l->running, false);
    ring_init(&l->tasks);
    l->inbox_fd.fn = run_inbox;
    if (poller_init(&l->poller) != ERR_OK) {
        goto fail;
    }
    if (inbox_init(&l->inbox) < 0) {
        goto fail_poller;
    }
    l->inbox_fd.fd = l->inbox.fd;
    if (poller_add(&l->poller, &l->inbox_fd, EPOLLIN) == ERR_OK) {
        return l;
    }
    inbox_free(&l->inbox);
fail_poller:
    poller_free(&l->poller);
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
        run_inbox(&l->inbox_fd, 0); /* a message may post further ones */
    }
    while (l->tasks.next != &l->tasks) {
        loop_cancel(l, l->tasks.next);
    }
    base_free(l);
    inbox_free(&l->inbox);
    poller_free(&l->poller);
    free(l->scratch);
    free(l);
}

/* How long may be waited, in ms; -1: until a descriptor has something to tell. */
static int wait_ms(const struct loop *l)
{
    const struct loop_timer *t = l->timers;

    if (l->tasks.next != &l->tasks) {
        return 0;
    }
    if (t == NULL) {
        return -1;
    }
    uint64_t now = clock_ns();
    uint64_t ms = t->at > now ? (t->at - now + NS_PER_MS - 1) / NS_PER_MS : 0;

    return ms > INT_MAX ? INT_MAX : (int)ms;
}

int loop_step(struct loop *l, bool wait)
{
    const struct loop *outer = current;
    int ms = wait ? wait_ms(l) : 0;
    int rc = ERR_OK;

    current = l;
    l->now = 0;
    l->turn++;
    if (l->base) {
        rc = base_wait(l, ms);
        ms = 0;
    }
    if (rc == ERR_OK) {
        rc = poller_wait(&l->poller, ms);
    }
    if (rc == ERR_OK) {
        run_timers(l);
        run_tasks(l);
    }
    current = outer;
    return rc;
}

int loop_run(struct loop *l)
{
    int rc = ERR_OK;

    atomic_store(&l->running, true);
    while (!l->stop && rc == ERR_OK) {
        rc = loop_step(l, true);
    }
    l->stop = false;
    atomic_store(&l->running, false);
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

int loop_fd_add(struct loop *l, struct loop_fd *f, uint32_t events)
{
    return poller_add(&l->poller, f, events);
}

int loop_fd_change(struct loop *l, struct loop_fd *f, uint32_t events)
{
    return poller_change(&l->poller, f, events);
}

void loop_fd_forget(struct loop *l, struct loop_fd *f)
{
    poller_forget(&l->poller, f);
}

void loop_fd_remove(struct loop *l, struct loop_fd *f)
{
    if (f->slot != 0) {
        (void)epoll_ctl(l->poller.fd, EPOLL_CTL_DEL, f->fd, NULL);
        poller_forget(&l->poller, f);
    }
}

void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t ms)
{
    uint64_t now = loop_now(l);
    uint64_t most = (UINT64_MAX - now) / NS_PER_MS - 1;

    /* Never in this turn, or one that arms itself for at once would keep others waiting. */
    timers_set(&l->timers, t, now + 1 + (ms < most ? ms : most) * NS_PER_MS);
}

void loop_timer_stop(struct loop *l, struct loop_timer *t)
{
    timers_remove(&l->timers, t);
}

bool loop_base_timer(struct event *timer, uint64_t ms)
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
    if (!task_queued(t)) {
        ring_append(&l->tasks, t);
    }
}

void loop_cancel(struct loop *l, struct task *t)
{
    (void)l;
    if (task_queued(t)) {
        ring_remove(t);
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
