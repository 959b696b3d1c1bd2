/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/conn/conn_list.h"

#include <string.h>

#include "core/base/loop.h"
#include "core/config/conf.h"
#include "core/conn/conn_priv.h"
#include "core/edge/edge.h"
#include "core/edge/generation.h"
#include "core/stream/stream.h"

static const char *state_name(enum conn_state state)
{
    switch (state) {
    case CONN_ACCEPT:
        return "accept";
    case CONN_PREFACE:
        return "preface";
    case CONN_HELLO:
    case CONN_CLIENT_HELLO:
    case CONN_ROUTE:
        return "hello";
    case CONN_ADMIT:
        return "admit";
    case CONN_TRANSPORT:
    case CONN_HANDSHAKE:
    case CONN_HANDSHAKE_DONE:
        return "handshake";
    case CONN_UPSTREAM:
    case CONN_DIAL:
        return "connect";
    case CONN_UPSTREAM_READY:
    case CONN_UPSTREAM_HANDSHAKE:
    case CONN_ESTABLISHED:
        return "upstream";
    case CONN_RELAY:
        return "relay";
    case CONN_CLOSED:
        break;
    }
    return "closed";
}

/* An address in a network of the same family, by its first `prefix` bits. */
static bool net_holds(const struct pst_net *net, const struct pst_addr *a)
{
    unsigned whole = net->prefix / 8, rest = net->prefix % 8;

    if (a->family != net->addr.family || memcmp(a->ip, net->addr.ip, whole) != 0) {
        return false;
    }
    return rest == 0 || (a->ip[whole] ^ net->addr.ip[whole]) >> (8 - rest) == 0;
}

static bool sni_matches(const char *want, const char *sni)
{
    size_t n = sni == NULL ? 0 : strlen(sni), suffix;

    if (sni == NULL || strncmp(want, "*.", 2) != 0) {
        return sni != NULL && strcmp(want, sni) == 0;
    }
    suffix = strlen(want + 1);
    return n > suffix && strcmp(sni + n - suffix, want + 1) == 0;
}

bool conn_filter_match(const struct conn_filter *f, const struct conn_row *r)
{
    return (f->id == 0 || f->id == r->id) &&
           (f->edge == NULL || (r->edge != NULL && strcmp(f->edge, r->edge) == 0)) &&
           (f->sni == NULL || sni_matches(f->sni, r->sni)) &&
           (!f->has_client || net_holds(&f->client, r->client));
}

static void fill(const struct conn *c, struct conn_row *r)
{
    *r = (struct conn_row){
        .id = c->id,
        .generation = c->gen->id,
        .age_ms = (loop_now(c->w->loop) - c->t_accept) / 1000000,
        .bytes_in = stream_bytes_in(c->client),
        .bytes_out = stream_bytes_out(c->client),
        .client = &c->client_addr,
        .peer = c->peer,
        .listener = c->listener->conf->name,
        .edge = c->edge == NULL ? NULL : c->edge->conf->name,
        .sni = c->sni,
        .state = state_name((enum conn_state)c->state),
        .upstream = c->upstream_name,
        .worker = c->w->index,
    };
}

/* The next connection of a cursor, NULL: none is left. */
static struct conn *next(struct conn_worker *w, struct conn_cursor *cur)
{
    struct conn *c;

    if (!cur->active) {
        cur->active = true;
        cur->at = w->conns.next;
        cur->last_id = list_empty(&w->conns) ? 0 : list_entry(w->conns.prev, struct conn, node)->id;
        list_append(&w->cursors, &cur->node);
    }
    if (cur->at == &w->conns) {
        return NULL;
    }
    c = list_entry(cur->at, struct conn, node);
    if (c->id > cur->last_id) {
        return NULL;
    }
    cur->at = cur->at->next;
    return c;
}

bool conn_list_slice(struct conn_worker *w, struct conn_cursor *cur, const struct conn_filter *f,
                     size_t most, void (*row)(void *arg, const struct conn_row *r), void *arg)
{
    while (most-- > 0) {
        struct conn *c = next(w, cur);
        struct conn_row r;

        if (c == NULL) {
            conn_cursor_end(cur);
            return false;
        }
        fill(c, &r);
        if (conn_filter_match(f, &r)) {
            row(arg, &r);
        }
    }
    return true;
}

bool conn_kill_slice(struct conn_worker *w, struct conn_cursor *cur, const struct conn_filter *f,
                     size_t most, uint64_t *n)
{
    while (most-- > 0) {
        struct conn *c = next(w, cur);
        struct conn_row r;

        if (c == NULL) {
            conn_cursor_end(cur);
            return false;
        }
        fill(c, &r);
        if (!c->kill && conn_filter_match(f, &r)) {
            c->kill = true;
            conn_wake(c);
            (*n)++;
        }
    }
    return true;
}

void conn_cursor_end(struct conn_cursor *cur)
{
    if (cur->active) {
        list_remove(&cur->node);
        cur->active = false;
    }
}

void conn_cursors_pass(struct conn_worker *w, const struct conn *c)
{
    list_each (it, &w->cursors) {
        struct conn_cursor *cur = list_entry(it, struct conn_cursor, node);

        if (cur->at == &c->node) {
            cur->at = c->node.next;
        }
    }
}

unsigned conn_id_worker(uint64_t id)
{
    return (unsigned)(id & CONN_ID_WORKERS);
}
