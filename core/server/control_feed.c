/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * events: connections as they end. While somebody follows, each worker writes a line per connection
 * into a bounded buffer of its own, and main fetches it ten times a second. What does not fit, or
 * what a slow follower does not read, is counted and told. Nobody follows: nothing is done.
 */
#include <event2/event.h>
#include <stdlib.h>

#include "core/base/list.h"
#include "core/base/loop.h"
#include "core/conn/conn.h"
#include "core/server/control_priv.h"
#include "core/server/endpoint.h"
#include "core/server/server.h"

#define FETCH_MS 100
/* What a worker keeps until it is fetched: some 2500 connections. */
#define LINES_MAX (1024 * 1024)

struct feed_worker {
    struct worker_ask ask;
    struct feed *feed;
    struct buf lines; /* the worker's                */
    uint64_t lost;    /* the worker's                */
    struct buf taken; /* main's, once answered       */
    uint64_t taken_lost;
    bool stop; /* set by main before it asks  */
};

struct feed {
    struct control *ctl; /* NULL: orphaned */
    struct event timer;
    unsigned n, asked; /* workers; answers still to come */
    bool stopping;
    struct feed_worker workers[];
};

/* --- on the worker ---------------------------------------------------------------------------- */

static void put_str(struct json *j, const char *key, struct pst_str s)
{
    if (s.n > 0) {
        json_strn(j, key, s.p, s.n);
    }
}

static void on_closed(void *arg, const struct pst_record *r)
{
    struct feed_worker *fw = arg;
    bool relayed = r->stage == PST_STAGE_ESTABLISHED && r->reason != PST_END_DENIED;
    struct json j;

    json_begin(&j, &fw->lines);
    json_u64(&j, "id", r->conn_id);
    json_u64(&j, "end_us", r->wall_start_us + (r->t_end - r->t_accept) / 1000);
    json_addr(&j, "client", &r->client);
    put_str(&j, "listener", r->listener);
    put_str(&j, "edge", r->edge);
    put_str(&j, "sni", r->sni);
    json_str(&j, "outcome", conn_outcome_name(relayed, r->reason));
    json_str(&j, "reason", conn_reason_name(r->reason));
    put_str(&j, "module", r->module);
    put_str(&j, "code", r->code);
    put_str(&j, "text", r->text);
    put_str(&j, "upstream", r->upstream_name);
    json_u64(&j, "bytes_in", r->client_in);
    json_u64(&j, "bytes_out", r->client_out);
    json_u64(&j, "age_ms", (r->t_end - r->t_accept) / 1000000);
    json_u64(&j, "worker", r->worker);
    if (json_end(&j) != 0) {
        fw->lost++;
    }
}

static void on_worker(struct worker_ask *a, struct conn_worker *cw)
{
    struct feed_worker *fw = list_entry(a, struct feed_worker, ask);

    fw->taken = fw->lines;
    fw->taken_lost = fw->lost;
    buf_init(&fw->lines, LINES_MAX);
    fw->lost = 0;
    cw->closed = fw->stop ? NULL : on_closed;
    cw->closed_arg = fw;
}

/* --- on main ---------------------------------------------------------------------------------- */

static void give(struct session *s, void *arg)
{
    const struct feed_worker *fw = arg;
    struct client *c = client_of(s);
    struct buf b;
    struct json j;

    if (c->wait != WAIT_EVENTS) {
        return;
    }
    c->lost += fw->taken_lost;
    if (!session_has_room(s)) {
        for (size_t i = 0; i < fw->taken.len; i++) {
            c->lost += fw->taken.p[i] == '\n';
        }
        return;
    }
    if (c->lost > 0) {
        buf_init(&b, 256);
        json_begin(&j, &b);
        json_u64(&j, "lost", c->lost);
        (void)json_end(&j);
        control_send(s, &b);
        c->lost = 0;
    }
    session_write(s, fw->taken.p, fw->taken.len);
}

/* All workers tell now: whoever follows has not missed anything from here on. */
static void welcome(struct session *s, void *arg)
{
    static const char line[] = "{\"following\":true}\n";
    struct client *c = client_of(s);

    (void)arg;
    if (c->wait == WAIT_EVENTS && !c->following) {
        c->following = true;
        session_write(s, line, sizeof(line) - 1);
    }
}

static void feed_free(struct feed *f)
{
    (void)evtimer_del(&f->timer);
    for (unsigned i = 0; i < f->n; i++) {
        buf_free(&f->workers[i].lines);
        buf_free(&f->workers[i].taken);
    }
    free(f);
}

static void on_answer(struct worker_ask *a)
{
    struct feed_worker *fw = list_entry(a, struct feed_worker, ask);
    struct feed *f = fw->feed;
    struct control *ctl = f->ctl;

    if (ctl != NULL && (fw->taken.len > 0 || fw->taken_lost > 0)) {
        endpoint_each(ctl->endpoint, give, fw);
    }
    buf_free(&fw->taken);
    if (--f->asked > 0) {
        return;
    }
    if (ctl == NULL) {
        feed_free(f);
    } else if (fw->stop) {
        ctl->feed = NULL;
        feed_free(f);
        control_feed_update(ctl);
    } else {
        endpoint_each(ctl->endpoint, welcome, NULL);
        (void)loop_base_timer(&f->timer, FETCH_MS);
    }
}

static void fetch(struct feed *f)
{
    (void)evtimer_del(&f->timer);
    f->asked = f->n;
    for (unsigned i = 0; i < f->n; i++) {
        f->workers[i].stop = f->stopping;
        worker_ask(f->ctl->server->workers[i], &f->workers[i].ask);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    fetch(arg);
}

static struct feed *feed_new(struct control *ctl)
{
    unsigned n = ctl->server->n_workers;
    struct feed *f = calloc(1, sizeof(*f) + n * sizeof(f->workers[0]));

    if (f == NULL) {
        return NULL;
    }
    f->ctl = ctl;
    f->n = n;
    (void)evtimer_assign(&f->timer, loop_base(ctl->server->loop), on_timer, f);
    for (unsigned i = 0; i < n; i++) {
        f->workers[i].feed = f;
        f->workers[i].ask.ask = on_worker;
        f->workers[i].ask.answered = on_answer;
        buf_init(&f->workers[i].lines, LINES_MAX);
    }
    return f;
}

static void is_follower(struct session *s, void *arg)
{
    *(bool *)arg = *(bool *)arg || client_of(s)->wait == WAIT_EVENTS;
}

void control_feed_update(struct control *ctl)
{
    bool wanted = false;

    if (ctl->closing) {
        return;
    }
    endpoint_each(ctl->endpoint, is_follower, &wanted);
    if (wanted && ctl->feed == NULL) {
        ctl->feed = feed_new(ctl);
        if (ctl->feed != NULL) {
            fetch(ctl->feed);
        }
    }
    if (ctl->feed != NULL) {
        ctl->feed->stopping = !wanted;
        if (!wanted && ctl->feed->asked == 0) {
            fetch(ctl->feed);
        }
    }
}

void control_feed_free(struct control *ctl)
{
    struct feed *f = ctl->feed;

    ctl->feed = NULL;
    if (f == NULL) {
        return;
    }
    f->ctl = NULL;
    if (f->asked == 0) {
        feed_free(f);
    }
}
