/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Three may hold a reference: the connection, the module, and a verdict on its way through
 * the loop. The lock makes "answer and post" one step, so that after ticket_cancel() no thread
 * can be about to touch the loop: a worker may end once its connections are gone.
 */
#include "core/module/ticket.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/base/list.h"
#include "core/base/loop.h"
#include "core/base/metrics.h"

#define TICKET_MAGIC 0x54434b54u
#define TICKET_DEAD  0x44454144u

enum ticket_state {
    TICKET_PENDING,
    TICKET_ANSWERED,  /* a verdict is in the run queue or in the inbox         */
    TICKET_DELIVERED, /* deliver() has been called                             */
    TICKET_CANCELLED
};

struct ticket {
    uint32_t magic;
    atomic_uint refs;
    pthread_mutex_t lock; /* of state, verdict, returned            */
    enum ticket_state state;
    int32_t verdict;
    bool returned; /* the module has given its reference back */
    struct loop *loop;
    struct task task; /* resume: same thread     */
    struct msg msg;   /* resume_any: any thread  */
    void (*deliver)(void *owner, int32_t verdict);
    void *owner;
    void (*cancel)(void *arg);
    void *arg;
};

static int misuse_metric = -1;

void ticket_setup(void)
{
    misuse_metric = metric_define("ticket_misuse_total",
                                  "Suspend tickets that modules gave back twice", METRIC_COUNTER);
}

static void drop(struct ticket *t)
{
    if (atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1) {
        t->magic = TICKET_DEAD;
        pthread_mutex_destroy(&t->lock);
        free(t);
    }
}

struct ticket *ticket_new(struct loop *l, void (*deliver)(void *owner, int32_t verdict),
                          void *owner, void (*cancel)(void *arg), void *arg)
{
    assert(loop_is_mine(l));
    struct ticket *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return NULL;
    }
    if (pthread_mutex_init(&t->lock, NULL) != 0) {
        free(t);
        return NULL;
    }
    t->magic = TICKET_MAGIC;
    atomic_init(&t->refs, 2);
    t->loop = l;
    t->deliver = deliver;
    t->owner = owner;
    t->cancel = cancel;
    t->arg = arg;
    return t;
}

/* The verdict has come through the loop. */
static void arrive(struct ticket *t)
{
    pthread_mutex_lock(&t->lock);
    bool wanted = t->state == TICKET_ANSWERED;
    int32_t verdict = t->verdict;
    if (wanted) {
        t->state = TICKET_DELIVERED;
    }
    pthread_mutex_unlock(&t->lock);
    if (wanted) {
        t->deliver(t->owner, verdict);
    }
    drop(t);
}

static void arrive_by_task(struct task *task)
{
    arrive(list_entry(task, struct ticket, task));
}

static void arrive_by_msg(struct msg *msg, struct loop *l)
{
    (void)l;
    arrive(list_entry(msg, struct ticket, msg));
}

/*
 * First half of giving the reference back; true with the lock held when it still was there. A
 * second time is the module's bug: counted, otherwise without effect as long as the ticket lives.
 */
static bool take_back(struct ticket *t)
{
    if (t->magic != TICKET_MAGIC) {
        metric_add(misuse_metric, 1);
        return false;
    }
    pthread_mutex_lock(&t->lock);
    if (t->returned) {
        pthread_mutex_unlock(&t->lock);
        metric_add(misuse_metric, 1);
        return false;
    }
    t->returned = true;
    return true;
}

static void resume(struct ticket *t, int32_t verdict, bool same_thread)
{
    if (!take_back(t)) {
        return;
    }
    if (t->state == TICKET_PENDING) {
        bool known = verdict == PST_NEXT || verdict == PST_DENY;
        t->state = TICKET_ANSWERED;
        t->verdict = known ? verdict : PST_ERROR;
        atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
        /* A module that takes the wrong call must not race for the run queue. */
        if (same_thread && loop_is_mine(t->loop)) {
            t->task.fn = arrive_by_task;
            loop_defer(t->loop, &t->task);
        } else {
            t->msg.fn = arrive_by_msg;
            loop_post(t->loop, &t->msg);
        }
    }
    pthread_mutex_unlock(&t->lock);
    drop(t);
}

void ticket_resume(pst_ticket *ticket, int32_t verdict)
{
    struct ticket *t = (struct ticket *)ticket;
    if (t != NULL) {
        resume(t, verdict, true);
    }
}

void ticket_resume_any(pst_ticket *ticket, int32_t verdict)
{
    struct ticket *t = (struct ticket *)ticket;
    if (t != NULL) {
        resume(t, verdict, false);
    }
}

void ticket_release(pst_ticket *ticket)
{
    struct ticket *t = (struct ticket *)ticket;
    if (t != NULL && take_back(t)) {
        pthread_mutex_unlock(&t->lock);
        drop(t);
    }
}

void ticket_cancel(struct ticket *t)
{
    pthread_mutex_lock(&t->lock);
    bool pending = t->state == TICKET_PENDING;
    if (t->state != TICKET_DELIVERED) {
        t->state = TICKET_CANCELLED;
    }
    pthread_mutex_unlock(&t->lock);
    if (pending && t->cancel != NULL) {
        t->cancel(t->arg);
    }
    if (task_queued(&t->task)) {
        loop_cancel(t->loop, &t->task);
        drop(t);
    }
    drop(t);
}

void ticket_done(struct ticket *t)
{
    drop(t);
}
