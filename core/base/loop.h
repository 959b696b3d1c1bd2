/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread's event loop: descriptors and timers, a run queue for work that must not happen inside
 * the caller's frame, and an inbox through which other threads reach this one. A loop can carry a
 * libevent base too: the main thread's does.
 */
#ifndef POSTERN_BASE_LOOP_H
#define POSTERN_BASE_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event;
struct event_base;
struct loop;

/* Work to run soon on the same thread. Embed it; zero-initialise; set fn. */
struct task {
    struct task *prev, *next; /* NULL: not queued */
    void (*fn)(struct task *t);
};

/* A descriptor to be watched. Embed it; zero-initialise; set fn and fd. events: EPOLL*. */
struct loop_fd {
    void (*fn)(struct loop_fd *f, uint32_t events);
    int fd;
    uint32_t slot; /* 0: not watched */
};

/* Fires once. Embed it; zero-initialise; set fn. */
struct loop_timer {
    void (*fn)(struct loop_timer *t);
    uint64_t at;                            /* loop_now() when it fires          */
    struct loop_timer *child, *next, *prev; /* in the heap; prev NULL: not armed */
};

/* A message from any thread. Embed it; owned by the inbox from loop_post() until fn runs. */
struct msg {
    struct msg *next;
    void (*fn)(struct msg *m, struct loop *l);
};

/* Make a loop; NULL when memory or descriptors ran out. */
struct loop *loop_new(void);
/* Free it. Undelivered messages are run first, so that what they own is freed. */
void loop_free(struct loop *l);
/*
 * The libevent base of this loop, without locks, made when it is first asked for; NULL: out of
 * memory. A loop that has one waits inside libevent, at one more system call a turn. [own thread]
 */
struct event_base *loop_base(struct loop *l);

/* Run until loop_stop(). ERR_SYS when waiting failed. [own thread] */
int loop_run(struct loop *l);
/* One turn: descriptors, timers, tasks. `wait` for something to do, or look only. [own thread] */
int loop_step(struct loop *l, bool wait);
/* Leave loop_run after the current turn. [own thread] */
void loop_stop(struct loop *l);

/* Monotonic time of this turn of the loop, nanoseconds; cheap. [own thread] */
uint64_t loop_now(struct loop *l);

/* How many turns there have been: equal for two moments inside one. [own thread] */
uint64_t loop_turn(const struct loop *l);

/*
 * Watch it for `events` (EPOLL*, level-triggered unless EPOLLET is among them). ERR_NOMEM; ERR_SYS:
 * errno tells. The callback may forget any descriptor. [own thread]
 */
int loop_fd_add(struct loop *l, struct loop_fd *f, uint32_t events);
/*
 * Watch for other events, of which those that are there are reported again. ERR_SYS. [own thread]
 */
int loop_fd_change(struct loop *l, struct loop_fd *f, uint32_t events);
/*
 * Report nothing more, what is under way included. The descriptor is left alone: for the owner who
 * closes it next, which ends the kernel's interest without a call. A no-op when not watched.
 * [own thread]
 */
void loop_fd_forget(struct loop *l, struct loop_fd *f);
/* As above for a descriptor that stays open. [own thread] */
void loop_fd_remove(struct loop *l, struct loop_fd *f);

/* Arm a timer for ms from now, or move it there. Never fails. [own thread] */
void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t ms);
/* Disarm it; a no-op when it is not armed. [own thread] */
void loop_timer_stop(struct loop *l, struct loop_timer *t);

/*
 * Arm a timer of this loop's base. Without memory for it, it fires in the next pass: a wait that
 * has lost its deadline would be worse than one that is cut short. True: as asked. [own thread]
 */
bool loop_base_timer(struct event *timer, uint64_t ms);

/*
 * Queue a task; a no-op when it is queued already. Runs after the descriptors and timers of the
 * turn. [own thread]
 */
void loop_defer(struct loop *l, struct task *t);
/* Is it waiting to run? [own thread] */
static inline bool task_queued(const struct task *t)
{
    return t->next != NULL;
}
/* Take a task off the queue; a no-op when it is not queued. [own thread] */
void loop_cancel(struct loop *l, struct task *t);

/* Send a message. Messages of one sender arrive in order. Never fails. [any] */
void loop_post(struct loop *l, struct msg *m);

/*
 * Scratch memory of this thread for one read-write turn; contents do not survive a callback.
 * *n gets its size. NULL on out of memory. [own thread]
 */
uint8_t *loop_scratch(struct loop *l, size_t *n);

/* True when called on the loop's own thread (or before it runs). For assertions. [any] */
bool loop_is_mine(struct loop *l);

#endif
