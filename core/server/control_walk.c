/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * connections and kill: the workers are asked one after the other, each in slices of a bounded
 * number of connections, and only when the client has read what it got before. So neither ten
 * thousand connections nor a slow client cost a worker more than a slice.
 */
#include <stdlib.h>

#include "core/base/list.h"
#include "core/server/control_priv.h"
#include "core/server/endpoint.h"
#include "core/server/server.h"

/* Connections a worker looks at before it turns to its others again: some 50 microseconds. */
#define SLICE 128
/* Room for their rows: names are bounded, so this is never reached. */
#define ROWS_MAX (SLICE * 4096)

/*
 * A walk belongs to its client until that is gone, then to itself. It is either with a worker or
 * waits for the client to read; the worker's list has a place of it until `at_end`.
 */
struct walk {
    struct list node;
    struct worker_ask ask;
    struct control *ctl;     /* NULL: orphaned, all workers are gone */
    struct session *session; /* NULL: the client is gone             */
    struct control_request req;
    struct conn_cursor cursor;
    struct buf rows;
    uint64_t killed;
    unsigned worker;
    bool asked;   /* with the worker */
    bool at_end;  /* of this worker's list */
    bool leaving; /* asked to take the place out of the list */
};

static void walk_free(struct walk *w)
{
    list_remove(&w->node);
    buf_free(&w->rows);
    free(w);
}

/* --- on the worker ---------------------------------------------------------------------------- */

static void row(void *arg, const struct conn_row *r)
{
    struct json j;

    json_begin(&j, arg);
    json_u64(&j, "id", r->id);
    json_addr(&j, "client", r->client);
    json_addr(&j, "peer", r->peer);
    json_str(&j, "sni", r->sni);
    json_str(&j, "listener", r->listener);
    json_str(&j, "edge", r->edge);
    json_str(&j, "state", r->state);
    json_str(&j, "upstream", r->upstream);
    json_u64(&j, "bytes_in", r->bytes_in);
    json_u64(&j, "bytes_out", r->bytes_out);
    json_u64(&j, "age_ms", r->age_ms);
    json_u64(&j, "worker", r->worker);
    json_u64(&j, "generation", r->generation);
    (void)json_end(&j);
}

static void on_worker(struct worker_ask *a, struct conn_worker *cw)
{
    struct walk *w = list_entry(a, struct walk, ask);

    if (w->leaving) {
        conn_cursor_end(&w->cursor);
        w->at_end = true;
    } else if (w->req.command == CONTROL_KILL) {
        w->at_end = !conn_kill_slice(cw, &w->cursor, &w->req.filter, SLICE, &w->killed);
    } else {
        w->at_end = !conn_list_slice(cw, &w->cursor, &w->req.filter, SLICE, row, &w->rows);
    }
}

/* --- on main ---------------------------------------------------------------------------------- */

static void finish(struct walk *w)
{
    struct session *s = w->session;
    struct buf b;
    struct json j;

    client_of(s)->walk = NULL;
    if (w->req.command == CONTROL_KILL) {
        buf_init(&b, 256);
        json_begin(&j, &b);
        json_u64(&j, "killed", w->killed);
        (void)json_end(&j);
        control_send(s, &b);
    }
    if (w->req.filter.id != 0 && w->req.command == CONTROL_KILL && w->killed == 0) {
        control_end(s, "no such connection");
    } else {
        control_end(s, NULL);
    }
    walk_free(w);
}

static void ask(struct walk *w)
{
    w->asked = true;
    worker_ask(w->ctl->server->workers[w->worker], &w->ask);
}

/* The next slice, of this worker or of the next one. */
static void go_on(struct walk *w)
{
    if (w->at_end) {
        w->at_end = false;
        w->cursor = (struct conn_cursor){ 0 };
        w->worker++;
        /* An id names its worker. */
        if (w->req.filter.id != 0 || w->worker == w->ctl->server->n_workers) {
            finish(w);
            return;
        }
    }
    ask(w);
}

static void on_answer(struct worker_ask *a)
{
    struct walk *w = list_entry(a, struct walk, ask);

    w->asked = false;
    if (w->session == NULL) {
        if (w->at_end || w->ctl == NULL) {
            walk_free(w);
        } else {
            w->leaving = true;
            ask(w);
        }
        return;
    }
    control_send(w->session, &w->rows);
    if (session_has_room(w->session)) {
        go_on(w);
    } else {
        session_more(w->session, true);
    }
}

void control_walk_more(struct session *s)
{
    struct walk *w = client_of(s)->walk;

    session_more(s, false);
    if (!w->asked) {
        go_on(w);
    }
}

void control_walk_begin(struct session *s)
{
    struct control *ctl = control_of(s);
    struct client *c = client_of(s);
    struct walk *w = calloc(1, sizeof(*w));

    if (w == NULL) {
        control_end(s, "out of memory");
        return;
    }
    w->ctl = ctl;
    w->session = s;
    w->ask.ask = on_worker;
    w->ask.answered = on_answer;
    control_request_copy(&w->req, &c->req);
    buf_init(&w->rows, ROWS_MAX);
    list_append(&ctl->walks, &w->node);
    c->walk = w;
    w->worker = w->req.filter.id != 0 ? conn_id_worker(w->req.filter.id) : 0;
    if (w->worker >= ctl->server->n_workers) {
        w->worker = 0; /* nobody has that id, and any worker can say so */
    }
    ask(w);
}

void control_walk_leave(struct client *c)
{
    struct walk *w = c->walk;

    c->walk = NULL;
    if (w == NULL) {
        return;
    }
    w->session = NULL;
    if (w->asked) {
        return; /* its answer finds nobody */
    }
    if (w->at_end) {
        walk_free(w);
        return;
    }
    w->leaving = true;
    ask(w);
}

void control_walks_orphan(struct control *ctl)
{
    list_each_safe (it, tmp, &ctl->walks) {
        struct walk *w = list_entry(it, struct walk, node);

        list_remove(&w->node);
        w->ctl = NULL;
    }
}
