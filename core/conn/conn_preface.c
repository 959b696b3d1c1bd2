/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first bytes: preface hooks, ClientHello, choice of the edge. */
#include <string.h>

#include "core/base/err.h"
#include "core/base/loop.h"
#include "core/config/conf.h"
#include "core/conn/conn_priv.h"
#include "core/edge/edge.h"
#include "core/edge/generation.h"
#include "core/module/chain.h"
#include "core/stream/stream.h"

/* Most that is taken from the client at once before its edge is known. */
#define PREFACE_READ (16 * 1024)
/* Most a preface may need: 16 bytes of PROXY v2 head and 4 KiB of its body. */
#define PREFACE_MAX (4096 + 16)

enum read_result { READ_MORE, READ_BYTES, READ_END, READ_FAILED };

/* Read once into the wire buffer. On READ_FAILED the connection is gone. */
static enum read_result read_some(struct conn *c)
{
    struct conn_setup *s = c->setup;
    struct pst_iov v;
    int64_t n;
    size_t room;

    v.p = loop_scratch(c->w->loop, &room);
    v.n = room < PREFACE_READ ? room : PREFACE_READ;
    n = v.p == NULL ? PST_ERR_NOMEM : stream_read(c->client, &v, 1);
    if (n > 0) {
        if (buf_add(&s->wire, v.p, (size_t)n) != ERR_OK) {
            conn_fail(c, PST_END_INTERNAL, 0, "no-memory", NULL);
            return READ_FAILED;
        }
        return READ_BYTES;
    }
    switch (n) {
    case PST_WANT_READ:
        stream_interest(c->client, PST_STREAM_READ);
        return READ_MORE;
    case PST_WANT_WRITE:
        stream_interest(c->client, PST_STREAM_WRITE);
        return READ_MORE;
    case 0:
        s->client_eof = true;
        stream_interest(c->client, 0);
        return READ_END;
    default:
        conn_end(c, &(struct conn_end){ .reason = PST_END_RESET,
                                        .side = PST_SIDE_CLIENT,
                                        .sys_errno = stream_errno(c->client),
                                        .abort = true,
                                        .truncated = true });
        return READ_FAILED;
    }
}

static bool has_preface(const struct conn *c)
{
    const struct chain *chain = c->listener->chain;

    return chain != NULL && chain->n_steps[PST_STAGE_PREFACE] > 0;
}

/* A hook took its bytes off the front: the next one, or the hello, begins behind them. */
void conn_preface_taken(struct conn *c)
{
    struct pst_preface *p = &c->setup->preface;

    buf_drop(&c->setup->wire, p->consumed <= p->len ? p->consumed : p->len);
    p->data = c->setup->wire.p;
    p->len = c->setup->wire.len;
    p->consumed = 0;
}

enum conn_step conn_preface(struct conn *c)
{
    struct conn_setup *s = c->setup;

    if (!has_preface(c)) {
        c->state = CONN_HELLO;
        return STEP_GO;
    }
    for (;;) {
        bool resumed = s->resumed != 0;
        int32_t v;

        if (!resumed && !s->client_eof) {
            enum read_result r = read_some(c);

            if (r == READ_MORE || r == READ_FAILED) {
                return STEP_WAIT;
            }
        }
        if (!resumed) {
            s->preface = (struct pst_preface){ .size = sizeof(s->preface),
                                               .eof = s->client_eof,
                                               .data = s->wire.p,
                                               .len = s->wire.len };
        }
        v = conn_stage(c, PST_STAGE_PREFACE, &s->preface);
        if (v == PST_NEXT) {
            c->state = CONN_HELLO;
            return STEP_GO;
        }
        if (v != PST_MORE) {
            return STEP_WAIT;
        }
        if (s->client_eof || s->wire.len >= PREFACE_MAX) {
            c->why.code = "preface-incomplete";
            c->why.text = s->client_eof ? "the client ended before its preface was complete"
                                        : "the preface is longer than its limit";
            conn_denied(c);
            return STEP_WAIT;
        }
    }
}

static enum conn_step hello_refused(struct conn *c, int status)
{
    struct conn_end e = { .text = c->setup->hello.why };

    switch (status) {
    case HELLO_TOO_LARGE:
        e.reason = PST_END_HELLO_TOO_LARGE;
        e.alert = ALERT_DECODE_ERROR;
        e.code = "hello-too-large";
        break;
    case HELLO_BAD_NAME:
        e.reason = PST_END_BAD_HELLO;
        e.alert = ALERT_UNRECOGNIZED_NAME;
        e.code = "bad-name";
        break;
    case HELLO_NOMEM:
        e.reason = PST_END_INTERNAL;
        e.alert = ALERT_INTERNAL_ERROR;
        e.code = "no-memory";
        break;
    default:
        e.reason = PST_END_BAD_HELLO;
        e.alert = ALERT_DECODE_ERROR;
        e.code = "bad-hello";
        break;
    }
    conn_end(c, &e);
    return STEP_WAIT;
}

/* What is known of the hello outlives it: the name. */
static int keep_name(struct conn *c)
{
    const struct pst_hello *h = &c->setup->hello.out;

    if (h->sni.n > 0) {
        c->sni = arena_strndup(&c->arena, h->sni.p, h->sni.n);
        if (c->sni == NULL) {
            return ERR_NOMEM;
        }
        c->sni_n = (uint32_t)h->sni.n;
    }
    return ERR_OK;
}

enum conn_step conn_hello(struct conn *c)
{
    struct conn_setup *s = c->setup;

    for (;;) {
        enum read_result r;

        if (s->fed < s->wire.len) {
            int st;

            s->tls_seen = s->wire.p[0] == HELLO_RECORD_TYPE;
            st = hello_feed(&s->hello, s->wire.p + s->fed, s->wire.len - s->fed);

            s->fed = s->wire.len;
            if (st == HELLO_DONE || st == HELLO_NOT_TLS) {
                c->t_hello = loop_now(c->w->loop);
                s->not_tls = st == HELLO_NOT_TLS;
                if (st == HELLO_DONE && keep_name(c) != ERR_OK) {
                    return hello_refused(c, HELLO_NOMEM);
                }
                c->state = CONN_CLIENT_HELLO;
                return STEP_GO;
            }
            if (st != HELLO_MORE) {
                return hello_refused(c, st);
            }
        }
        r = s->client_eof ? READ_END : read_some(c);
        if (r == READ_END) {
            /* A scan that says nothing, or a client that gave up: no alert to a closed ear. */
            conn_end(c, &(struct conn_end){ .reason = PST_END_CLIENT_FIN,
                                            .side = PST_SIDE_CLIENT,
                                            .truncated = s->wire.len > 0 });
            return STEP_WAIT;
        }
        if (r != READ_BYTES) {
            return STEP_WAIT;
        }
    }
}

static enum conn_step no_route(struct conn *c, const struct route *r, uint32_t reason)
{
    struct conn_end e = { .reason = reason };

    if (r->outcome == CONF_REFUSE && reason != PST_END_NOT_TLS) {
        e.alert = ALERT_UNRECOGNIZED_NAME;
    }
    conn_end(c, &e);
    return STEP_WAIT;
}

/* The one look-up. Here is where a connection could still be handed to another worker. */
enum conn_step conn_route(struct conn *c)
{
    const struct pst_hello *h = &c->setup->hello.out;
    struct route r = { .outcome = CONF_ROUTE, .edge = c->setup->named };
    uint32_t reason = 0;

    if (r.edge == NULL && c->setup->not_tls) {
        r = c->listener->not_tls;
        reason = PST_END_NOT_TLS;
    } else if (r.edge == NULL) {
        r = generation_route(c->gen, c->listener, h->sni.p, h->sni.n, h->alpn, h->n_alpn, &reason);
    }
    if (r.outcome != CONF_ROUTE || r.edge == NULL) {
        return no_route(c, &r, reason);
    }
    if (r.edge->chain != NULL && r.edge->chain->state_size > 0) {
        c->edge_state = arena_alloc(&c->arena, r.edge->chain->state_size);
        if (c->edge_state == NULL) {
            conn_fail(c, PST_END_INTERNAL, 0, "no-memory", NULL);
            return STEP_WAIT;
        }
    }
    c->edge = r.edge;
    conn_count_routed(c);
    c->setup->hello_deadline = 0;
    conn_deadline_off(c);
    c->state = CONN_ADMIT;
    return STEP_GO;
}
