/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running one stage of hooks. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>

#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/config/conf.h"
#include "core/conn/conn_priv.h"
#include "core/edge/edge.h"
#include "core/module/chain.h"
#include "core/module/load.h"
#include "core/module/ticket.h"
#include "core/stream/stream.h"

static bool is_listener_stage(uint32_t stage)
{
    return stage <= PST_STAGE_CLIENT_HELLO;
}

struct chain *conn_stage_chain(const struct conn *c, uint32_t stage, void **state)
{
    if (is_listener_stage(stage)) {
        *state = c->listener_state;
        return c->listener->chain;
    }
    *state = c->edge_state;
    return c->edge == NULL ? NULL : c->edge->chain;
}

static int32_t call_hook(struct conn *c, const struct chain_step *s, uint32_t stage, void *state,
                         void *arg)
{
    struct instance *in = s->instance;
    struct instance_worker *w = &in->workers[c->w->index];
    struct pst_call k = {
        .size = sizeof(k),
        .stage = stage,
        .inst = in->inst,
        .worker_state = w->state,
        .self = (pst_instance *)in,
        .worker = (pst_worker *)w,
        .conn = (pst_conn *)c,
        .state = in->module->desc.conn_state_size == 0 ? NULL : (char *)state + in->state_offset,
        .arg = arg,
    };

    return s->fn(&k);
}

static void module_bug(struct conn *c, const struct instance *in, uint32_t stage, const char *what)
{
    static struct log_limit limit;

    if (log_limit_ok(&limit, 10, NULL)) {
        LOG(PST_LOG_ERROR, "module bug: the connection is denied",
            LOGF_Z("module", in->module->name), LOGF_Z("stage", stage_name(stage)),
            LOGF_Z("what", what), LOGF_U64("conn", c->id));
    }
}

/* The one place where a decision is kept instead of enforced. */
static void shadow(struct conn *c, const struct instance *in, uint32_t stage)
{
    struct conn_shadow *sh = arena_alloc(&c->arena, sizeof(*sh));

    LOG(PST_LOG_INFO, "would be denied (not enforced)", LOGF_U64("conn", c->id),
        LOGF_ADDR("client", &c->client_addr), LOGF_Z("module", in->module->name),
        LOGF_Z("stage", stage_name(stage)), LOGF_Z("code", c->why.code),
        LOGF_Z("text", c->why.text));
    if (sh != NULL) {
        sh->s.module = pst_str_of(in->module->name);
        sh->s.code = pst_str_of(c->why.code);
        sh->s.text = pst_str_of(c->why.text);
        sh->s.stage = stage;
        sh->next = c->shadow;
        c->shadow = sh;
    }
    c->why = (struct conn_why){ 0 };
}

void conn_suspended_event(struct conn *c, unsigned events)
{
    int fd = stream_fd(c->client);
    int err = 0;
    socklen_t n = sizeof(err);

    /* A client may end its direction and still wait for an answer: only an error is the end. */
    if ((events & STREAM_FAILED) && getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n) == 0 &&
        err != 0) {
        conn_end(c, &(struct conn_end){ .reason = PST_END_RESET,
                                        .side = PST_SIDE_CLIENT,
                                        .sys_errno = err,
                                        .truncated = true });
    }
}

static void suspended(struct conn *c)
{
    struct conn_setup *s = c->setup;
    uint64_t ms =
        c->edge != NULL ? c->edge->conf->timeouts.pending : c->listener->conf->timeouts.pending;

    s->ticket = s->fresh;
    s->fresh = NULL;
    stream_interest(c->client, STREAM_FAILED);
    conn_deadline(c, ms, PST_END_DENIED);
    if (c->edge != NULL) {
        s->pending_counted = true;
    }
}

static void pending_uncount(struct conn *c)
{
    if (c->setup->pending_counted) {
        c->setup->pending_counted = false;
        atomic_fetch_sub_explicit(&c->edge->pending, 1, memory_order_relaxed);
    }
}

void conn_stage_cancel(struct conn *c)
{
    struct conn_setup *s = c->setup;

    pending_uncount(c);
    if (s->ticket != NULL) {
        struct ticket *t = s->ticket;
        s->ticket = NULL;
        ticket_cancel(t);
    }
}

/* From the loop's run queue: the verdict has come. */
static void on_resume(void *owner, int32_t verdict)
{
    struct conn *c = owner;
    struct conn_setup *s = c->setup;
    struct ticket *t = s->ticket;

    s->ticket = NULL;
    s->resumed = verdict;
    pending_uncount(c);
    conn_deadline_off(c);
    if (s->hello_deadline != 0) {
        conn_deadline_at(c, s->hello_deadline, PST_END_HELLO_TIMEOUT);
    }
    ticket_done(t);
    conn_advance(c);
}

static bool may_pend(uint32_t stage)
{
    return stage <= PST_STAGE_ADMIT || stage == PST_STAGE_HANDSHAKE_DONE ||
           stage == PST_STAGE_UPSTREAM;
}

pst_ticket *conn_suspend(pst_conn *conn, void (*cancel)(void *arg), void *arg)
{
    struct conn *c = (struct conn *)conn;
    struct conn_setup *s = c->setup;

    if (s == NULL || !s->in_hook || s->fresh != NULL || !may_pend(c->stage)) {
        return NULL;
    }
    if (c->edge != NULL) {
        unsigned before = atomic_fetch_add_explicit(&c->edge->pending, 1, memory_order_relaxed);

        if (before >= c->edge->conf->max_pending) {
            s->overload = true;
            atomic_fetch_sub_explicit(&c->edge->pending, 1, memory_order_relaxed);
            return NULL;
        }
    }
    s->fresh = ticket_new(c->w->loop, on_resume, c, cancel, arg);
    if (s->fresh == NULL && c->edge != NULL) {
        atomic_fetch_sub_explicit(&c->edge->pending, 1, memory_order_relaxed);
    }
    return (pst_ticket *)s->fresh;
}

/* Settle what the hook did with suspend() against what it answered. */
static int32_t settle(struct conn *c, const struct instance *in, uint32_t stage, int32_t v)
{
    struct conn_setup *s = c->setup;

    if (v == PST_PENDING && s->fresh == NULL) {
        module_bug(c, in, stage, "PST_PENDING without suspend()");
        return PST_ERROR;
    }
    if (v != PST_PENDING && s->fresh != NULL) {
        module_bug(c, in, stage, "suspend() without PST_PENDING");
        if (c->edge != NULL) {
            atomic_fetch_sub_explicit(&c->edge->pending, 1, memory_order_relaxed);
        }
        ticket_cancel(s->fresh);
        s->fresh = NULL;
        return PST_ERROR;
    }
    return v;
}

static int32_t run_hook(struct conn *c, const struct chain_step *st, uint32_t stage, void *state,
                        void *arg)
{
    struct conn_setup *s = c->setup;
    bool claimed = s->claimed, stacked = s->upstream_stacked;
    int32_t v;

    c->why = (struct conn_why){ 0 };
    s->overload = false;
    s->running = st->instance;
    s->in_hook = true;
    v = call_hook(c, st, stage, state, arg);
    s->in_hook = false;
    if (s->upstream_stacked && !stacked) {
        s->noted = c->why; /* why its handshake will fail, if it knows already */
    }
    /* Whoever went on would pass by the handshake of that stream, or lose it to another. */
    if (s->claimed && !claimed && v != PST_CLAIM && v != PST_ERROR &&
        !(v == PST_DENY && st->instance->enforce)) {
        module_bug(c, st->instance, stage, "a stream without PST_CLAIM");
        v = PST_ERROR;
    }
    return settle(c, st->instance, stage, v);
}

/* Is this verdict one that the stage knows? Everything else is an error. */
static int32_t known(struct conn *c, const struct instance *in, uint32_t stage, int32_t v)
{
    if (v == PST_NEXT || v == PST_DENY || (v == PST_MORE && stage == PST_STAGE_PREFACE)) {
        return v;
    }
    if (v == PST_PENDING && may_pend(stage)) {
        return v;
    }
    if (v == PST_CLAIM && (stage == PST_STAGE_TRANSPORT || stage == PST_STAGE_UPSTREAM)) {
        if (c->setup->claimed) {
            return v;
        }
        module_bug(c, in, stage, "PST_CLAIM without a stream");
        return PST_ERROR;
    }
    if (v != PST_ERROR) {
        module_bug(c, in, stage, "a verdict this stage does not know");
    }
    return PST_ERROR;
}

static int32_t refuse(struct conn *c, const struct instance *in, uint32_t stage, int32_t v)
{
    if (v == PST_ERROR) {
        c->why.code = c->why.code != NULL ? c->why.code : "module-error";
    } else if (!in->enforce) {
        shadow(c, in, stage);
        return PST_NEXT;
    }
    c->why.module = in->module->name;
    if (c->setup->overload) {
        c->why.code = "max-pending";
        c->why.text = "too many connections of this edge wait for a verdict";
    }
    conn_denied(c);
    return PST_DENY;
}

int32_t conn_stage(struct conn *c, uint32_t stage, void *arg)
{
    struct conn_setup *s = c->setup;
    void *state = NULL;
    const struct chain *chain = conn_stage_chain(c, stage, &state);
    bool claimed = false;

    c->stage = (uint8_t)stage;
    if (chain == NULL) {
        return PST_NEXT;
    }
    while (s->step < chain->n_steps[stage] || s->resumed != 0) {
        const struct chain_step *st;
        int32_t v;

        if (s->resumed != 0) {
            v = s->resumed;
            s->resumed = 0;
            st = &chain->steps[stage][s->step - 1];
            v = v == PST_NEXT || v == PST_DENY ? v : PST_ERROR;
        } else {
            st = &chain->steps[stage][s->step++];
            v = known(c, st->instance, stage, run_hook(c, st, stage, state, arg));
        }
        switch (v) {
        case PST_NEXT:
            if (stage == PST_STAGE_PREFACE) {
                conn_preface_taken(c);
            }
            break;
        case PST_CLAIM:
            claimed = true;
            if (stage == PST_STAGE_UPSTREAM) {
                s->step = chain->n_steps[stage];
            }
            break;
        case PST_MORE:
            s->step--;
            return PST_MORE;
        case PST_PENDING:
            suspended(c);
            return PST_PENDING;
        default:
            if (refuse(c, st->instance, stage, v) != PST_NEXT) {
                return PST_DENY;
            }
            break;
        }
    }
    s->step = 0;
    return claimed ? PST_CLAIM : PST_NEXT;
}

enum conn_step conn_stage_simple(struct conn *c, uint32_t stage, void *arg, enum conn_state next)
{
    if (conn_stage(c, stage, arg) != PST_NEXT) {
        return STEP_WAIT;
    }
    c->state = (uint8_t)next;
    return STEP_GO;
}

static void notify_chain(struct conn *c, const struct chain *chain, uint32_t stage, void *state,
                         void *arg)
{
    for (uint16_t i = 0; chain != NULL && i < chain->n_steps[stage]; i++) {
        (void)call_hook(c, &chain->steps[stage][i], stage, state, arg);
    }
}

void conn_stage_notify(struct conn *c, uint32_t stage, void *arg)
{
    const struct chain *lc = c->listener->chain;
    const struct chain *ec = c->edge == NULL ? NULL : c->edge->chain;

    if (stage == PST_STAGE_CONN_FINI) {
        notify_chain(c, ec, stage, c->edge_state, arg);
        notify_chain(c, lc, stage, c->listener_state, arg);
    } else {
        notify_chain(c, lc, stage, c->listener_state, arg);
        notify_chain(c, ec, stage, c->edge_state, arg);
    }
}
