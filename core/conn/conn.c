/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Life of a connection and the order of its states. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/loop.h"
#include "core/base/mem.h"
#include "core/config/conf.h"
#include "core/conn/conn_priv.h"
#include "core/edge/edge.h"
#include "core/edge/generation.h"
#include "core/module/chain.h"
#include "core/module/load.h"
#include "core/module/ticket.h"
#include "core/stream/stream.h"
#include "core/upstream/dial.h"

/* Which worker's thread this is. Set once per thread, for host calls without a connection. */
static _Thread_local struct conn_worker *here;

struct conn_worker *conn_worker_here(void)
{
    return here;
}

void conn_worker_init(struct conn_worker *w, struct loop *l, unsigned index,
                      struct pipe_pool *pipes)
{
    *w = (struct conn_worker){ .loop = l, .index = index, .pipes = pipes };
    list_init(&w->conns);
    list_init(&w->lingers);
    list_init(&w->cursors);
    here = w;
}

bool conn_alert_possible(const struct conn *c)
{
    const struct conn_setup *s = c->setup;

    /* Only to a client that began to speak TLS, and before anybody answers it here. */
    return s != NULL && s->tls_seen && c->state < CONN_RELAY &&
           (stream_inner(c->client) == NULL || c->state == CONN_TRANSPORT);
}

/* --- deadlines -------------------------------------------------------------------------------- */

static void on_deadline(struct loop_timer *t)
{
    struct conn *c = list_entry(t, struct conn_setup, timer)->conn;
    uint32_t reason = c->setup->timer_reason;

    if (c->setup->ticket != NULL) {
        c->why.code = "pending-timeout";
        c->why.text = "no verdict before the deadline";
        c->why.module = c->setup->running->module->name;
        conn_denied(c);
        return;
    }
    if (c->state == CONN_UPSTREAM_HANDSHAKE) {
        c->why.code = "handshake-timeout";
        c->why.text = "the upstream's handshake took too long";
        conn_upstream_failed(c, PST_ERR, ETIMEDOUT);
        return;
    }
    conn_fail(c, reason, 0, "timeout", NULL);
}

void conn_deadline(struct conn *c, uint64_t ms, uint32_t reason)
{
    c->setup->timer_reason = reason;
    loop_timer_set(c->w->loop, &c->setup->timer, ms);
}

void conn_deadline_at(struct conn *c, uint64_t at_ns, uint32_t reason)
{
    uint64_t now = clock_ns();

    conn_deadline(c, at_ns > now ? (at_ns - now + 999999) / 1000000 : 0, reason);
}

void conn_deadline_off(struct conn *c)
{
    loop_timer_stop(c->w->loop, &c->setup->timer);
}

/* --- the order of states ---------------------------------------------------------------------- */

static enum conn_step conn_state_run(struct conn *c)
{
    switch ((enum conn_state)c->state) {
    case CONN_ACCEPT:
        return conn_stage_simple(c, PST_STAGE_ACCEPT, NULL, CONN_PREFACE);
    case CONN_PREFACE:
        return conn_preface(c);
    case CONN_HELLO:
        return conn_hello(c);
    case CONN_CLIENT_HELLO:
        return conn_stage_simple(c, PST_STAGE_CLIENT_HELLO,
                                 c->setup->not_tls ? NULL : &c->setup->hello.out, CONN_ROUTE);
    case CONN_ROUTE:
        return conn_route(c);
    case CONN_ADMIT:
        return conn_stage_simple(c, PST_STAGE_ADMIT, NULL, CONN_TRANSPORT);
    case CONN_TRANSPORT:
        return conn_transport(c);
    case CONN_HANDSHAKE:
        return conn_handshake(c);
    case CONN_HANDSHAKE_DONE:
        return conn_stage_simple(c, PST_STAGE_HANDSHAKE_DONE, NULL, CONN_UPSTREAM);
    case CONN_UPSTREAM:
        return conn_upstream(c);
    case CONN_DIAL:
        return conn_dial(c);
    case CONN_UPSTREAM_READY:
        return conn_upstream_ready(c);
    case CONN_UPSTREAM_HANDSHAKE:
        return conn_upstream_handshake(c);
    case CONN_ESTABLISHED:
        return conn_established(c);
    case CONN_RELAY:
    case CONN_CLOSED:
        break;
    }
    return STEP_WAIT;
}

void conn_advance(struct conn *c)
{
    /* After STEP_WAIT the connection may be gone: it is not looked at again. */
    while (conn_state_run(c) == STEP_GO) {
    }
}

static void on_task(struct task *t)
{
    struct conn *c = list_entry(t, struct conn, task);

    if (c->kill) {
        conn_fail(c, PST_END_KILLED, 0, "killed", NULL);
    } else {
        conn_advance(c);
    }
}

void conn_wake(struct conn *c)
{
    loop_defer(c->w->loop, &c->task);
}

/*
 * The client's stream is ready. In later states than those that read from it the interest is left
 * over: clients say nothing before they are answered, and the relay will want it again.
 */
static void on_client_ready(void *arg, unsigned events)
{
    struct conn *c = arg;

    if (c->setup->ticket != NULL) {
        conn_suspended_event(c, events);
    } else if (c->state == CONN_PREFACE || c->state == CONN_HELLO || c->state == CONN_HANDSHAKE) {
        conn_advance(c);
    } else {
        stream_interest(c->client, 0);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static struct conn_setup *setup_new(struct conn *c)
{
    struct conn_setup *s = mem_zero(sizeof(*s));

    if (s == NULL) {
        return NULL;
    }
    hello_init(&s->hello);
    buf_init(&s->wire, HELLO_WIRE_MAX + 64 * 1024);
    buf_init(&s->app, 64 * 1024);
    s->conn = c;
    s->timer.fn = on_deadline;
    return s;
}

void conn_setup_free(struct conn *c)
{
    struct conn_setup *s = c->setup;

    if (s == NULL) {
        return;
    }
    conn_stage_cancel(c);
    conn_deadline_off(c);
    dial_cancel(s->dial);
    hello_free(&s->hello);
    buf_free(&s->wire);
    buf_free(&s->app);
    free(s);
    c->setup = NULL;
}

void conn_slot_free(struct conn_worker *w, struct generation *g)
{
    struct generation_worker *gw = &g->workers[w->index];

    if (--gw->refs == 0 && gw->replaced) {
        w->released(w, g);
    }
    w->n--;
    w->count(w, -1);
}

const struct pst_addr *conn_keep_addr(struct conn *c, const struct pst_addr *addr)
{
    struct pst_addr *a = arena_alloc(&c->arena, sizeof(*a));

    if (a != NULL) {
        *a = *addr;
    }
    return a;
}

static struct conn *conn_new(struct conn_worker *w, struct listener *l, struct stream *client,
                             const struct pst_addr *peer)
{
    struct conn *c = mem_zero(sizeof(*c));

    if (c == NULL) {
        goto fail;
    }
    c->w = w;
    c->listener = l;
    c->task.fn = on_task;
    c->state = CONN_ACCEPT;
    arena_init(&c->arena);
    c->setup = setup_new(c);
    if (c->setup == NULL) {
        goto fail;
    }
    if (l->chain != NULL && l->chain->state_size > 0) {
        c->listener_state = arena_alloc(&c->arena, l->chain->state_size);
        if (c->listener_state == NULL) {
            goto fail;
        }
    }
    c->gen = w->current;
    c->gen->workers[w->index].refs++;
    c->client = client;
    c->client_addr = *peer;
    c->peer = &c->client_addr;
    /* Sortable and unique in the process: the worker's number is in the low bits. */
    c->id = (++w->last_id << 10) | (w->index & CONN_ID_WORKERS);
    c->t_accept = loop_now(w->loop);
    c->wall_start_us = clock_wall_us();
    list_append(&w->conns, &c->node);
    w->n++;
    w->count(w, 1);
    conn_count_accepted(c);
    stream_on_ready(client, on_client_ready, c);
    c->setup->hello_deadline = c->t_accept + l->conf->timeouts.hello * 1000000;
    conn_deadline(c, l->conf->timeouts.hello, PST_END_HELLO_TIMEOUT);
    return c;
fail:
    if (c != NULL) {
        conn_setup_free(c);
        arena_free(&c->arena);
        free(c);
    }
    stream_free(client, PST_CLOSE_ABORT);
    return NULL;
}

int conn_start(struct conn_worker *w, struct listener *l, struct stream *client,
               const struct pst_addr *peer, const struct pst_addr *local)
{
    struct conn *c = conn_new(w, l, client, peer);

    if (c == NULL) {
        return ERR_NOMEM;
    }
    c->local = conn_keep_addr(c, local);
    conn_wake(c);
    return ERR_OK;
}

int conn_accept(struct conn_worker *w, struct listener *l, int fd, const struct pst_addr *peer)
{
    struct stream *s = stream_raw_new(w->loop, fd);

    if (s != NULL && peer->family == PST_AF_UNIX) {
        stream_in_pieces(s);
    }
    struct conn *c = s == NULL ? NULL : conn_new(w, l, s, peer);

    if (c == NULL) {
        return ERR_NOMEM;
    }
    conn_advance(c);
    return ERR_OK;
}

void conn_end_all(struct conn_worker *w, uint32_t reason)
{
    w->ended = true; /* hooks that run from here must not add to the list */
    list_each_safe (it, tmp, &w->conns) {
        struct conn *c = list_entry(it, struct conn, node);

        conn_end(c, &(struct conn_end){ .reason = reason, .abort = true, .truncated = true });
    }
    conn_linger_end_all(w);
}
