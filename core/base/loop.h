/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread's event loop: libevent's base, a run queue for work that must not happen inside
 * the caller's frame, and an inbox through which other threads reach this one.
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
    struct task *prev, *next;
    void (*fn)(struct task *t);
    bool queued;
};

/* A message from any thread. Embed it; owned by the inbox from loop_post() until fn runs. */
struct msg {
    struct msg *next;
    void (*fn)(struct msg *m, struct loop *l);
};

/* Make a loop; NULL when memory or descriptors ran out. Its event base has no locks. */
struct loop *loop_new(void);
/* Free it. Undelivered messages are run first, so that what they own is freed. */
void loop_free(struct loop *l);
struct event_base *loop_base(struct loop *l);

/* Run until loop_stop(). [own thread] */
int loop_run(struct loop *l);
/* Leave loop_run after the current turn. [own thread] */
void loop_stop(struct loop *l);

/* Monotonic time of this turn of the loop, nanoseconds; cheap. [own thread] */
uint64_t loop_now(struct loop *l);

/* How many turns there have been: equal for two moments inside one. [own thread] */
uint64_t loop_turn(const struct loop *l);

/*
 * Arm a timer of this loop. Without memory for it, it fires in the next pass: a wait that has lost
 * its deadline would be worse than one that is cut short. True: as asked. [own thread]
 */
bool loop_timer(struct event *timer, uint64_t ms);

/* Queue a task; a no-op when it is queued already. Runs after the current callback. [own thread] */
void loop_defer(struct loop *l, struct task *t);
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
