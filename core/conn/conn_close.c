/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end of a connection: what the client sees, the record, the hooks, the memory. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/addr.h"
#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/config/conf.h"
#include "core/conn/conn_priv.h"
#include "core/edge/edge.h"
#include "core/edge/generation.h"
#include "core/module/chain.h"
#include "core/module/watch.h"
#include "core/stream/relay.h"
#include "core/stream/stream.h"
#include "plugin-api/pst_names.h"

const char *conn_reason_name(uint32_t reason)
{
    const char *name = pst_end_name(reason);

    return name != NULL ? name : "unknown";
}

const struct pst_addr *conn_local(struct conn *c)
{
    static const struct pst_addr unknown;

    if (c->local == NULL) {
        struct pst_addr local = { 0 };
        struct sockaddr_storage ss;
        socklen_t n = sizeof(ss);
        int fd = c->client == NULL ? -1 : stream_fd(c->client);

        if (fd >= 0 && getsockname(fd, (struct sockaddr *)&ss, &n) == 0) {
            addr_from_sockaddr(&local, (struct sockaddr *)&ss, n);
        }
        c->local = conn_keep_addr(c, &local);
    }
    return c->local != NULL ? c->local : &unknown;
}

/* A fatal alert in the clear: RFC 8446 sections 5.1 and 6. Seven bytes fit any socket buffer. */
static bool send_alert(struct conn *c, uint8_t alert)
{
    uint8_t record[] = { 21, 3, 3, 0, 2, 2, alert };
    const struct pst_iov v = { record, sizeof(record) };

    if (!conn_alert_possible(c) ||
        stream_write(stream_base(c->client), &v, 1) != (int64_t)sizeof(record)) {
        return false;
    }
    c->alerts[conn_alert_slot(PST_SIDE_CLIENT, false)] = (uint8_t)(alert + 1);
    return true;
}

static void count_streams(const struct conn *c, struct conn_totals *t)
{
    t->client_in = stream_bytes_in(c->client);
    t->client_out = stream_bytes_out(c->client);
    t->upstream_in = c->upstream_in + (c->upstream == NULL ? 0 : stream_bytes_in(c->upstream));
    t->upstream_out = c->upstream_out + (c->upstream == NULL ? 0 : stream_bytes_out(c->upstream));
}

/*
 * The last words of a transport (close_notify) are bytes on the wire too: they go out before the
 * record is made. Whatever a full socket does not take is tried again by close().
 */
static void say_goodbye(struct stream *s)
{
    if (s != NULL && stream_inner(s) != NULL) {
        (void)stream_shutdown_write(s);
    }
}

static bool wants_record(const struct conn *c)
{
    return (c->listener->chain != NULL && c->listener->chain->n_steps[PST_STAGE_CLOSE] > 0) ||
           (c->edge != NULL && c->edge->chain != NULL &&
            c->edge->chain->n_steps[PST_STAGE_CLOSE] > 0);
}

static struct pst_shadow *shadows(struct conn *c, uint32_t *n)
{
    struct pst_shadow *a = NULL;
    uint32_t i;

    *n = 0;
    for (const struct conn_shadow *s = c->shadow; s != NULL; s = s->next) {
        (*n)++;
    }
    a = *n == 0 ? NULL : arena_alloc(&c->arena, *n * sizeof(*a));
    if (a == NULL) {
        *n = 0;
        return NULL;
    }
    i = *n;
    for (const struct conn_shadow *s = c->shadow; s != NULL; s = s->next) {
        a[--i] = s->s;
    }
    return a;
}

static void tell_modules(struct conn *c, const struct conn_end *e, const struct conn_totals *t)
{
    struct pst_record r = {
        .size = sizeof(r),
        .reason = e->reason,
        .side = e->side,
        .stage = c->stage,
        .conn_id = c->id,
        .generation = c->gen->id,
        .listener = pst_str_of(c->listener->conf->name),
        .edge = pst_str_of(c->edge == NULL ? NULL : c->edge->conf->name),
        .sni = { c->sni, c->sni_n },
        .peer = *c->peer,
        .client = c->client_addr,
        .local = *conn_local(c),
        .upstream = c->upstream_addr,
        .upstream_name = pst_str_of(c->upstream_name),
        .wall_start_us = c->wall_start_us,
        .t_accept = c->t_accept,
        .t_hello = c->t_hello,
        .t_handshake = c->t_handshake,
        .t_connect_start = c->t_connect_start,
        .t_connected = c->t_connected,
        .t_first_byte = t->t_first_byte,
        .t_end = loop_now(c->w->loop),
        .client_in = t->client_in,
        .client_out = t->client_out,
        .upstream_in = t->upstream_in,
        .upstream_out = t->upstream_out,
        .module = pst_str_of(c->why.module),
        .code = pst_str_of(c->why.code),
        .text = pst_str_of(c->why.text),
        .tries = c->tries,
        .sys_errno = (uint32_t)e->sys_errno,
        .alert_sent = c->alerts[conn_alert_slot(PST_SIDE_CLIENT, false)],
        .worker = c->w->index,
        .truncated = e->truncated,
        .alert_received = c->alerts[conn_alert_slot(PST_SIDE_CLIENT, true)],
        .upstream_alert_sent = c->alerts[conn_alert_slot(PST_SIDE_UPSTREAM, false)],
        .upstream_alert_received = c->alerts[conn_alert_slot(PST_SIDE_UPSTREAM, true)],
        .t_upstream_ready = c->t_upstream_ready,
    };

    r.shadow = shadows(c, &r.n_shadow);
    conn_stage_notify(c, PST_STAGE_CLOSE, &r);
    if (c->w->closed != NULL) {
        c->w->closed(c->w->closed_arg, &r);
    }
}

/* Ends that an administrator would look for are told at level info, the others at debug. */
static void log_end(const struct conn *c, const struct conn_end *e, const struct conn_totals *t)
{
    static struct log_limit limit;
    uint8_t alert = c->alerts[conn_alert_slot(PST_SIDE_CLIENT, false)];
    bool plain = e->reason == PST_END_CLIENT_FIN || e->reason == PST_END_UPSTREAM_FIN ||
                 e->reason == PST_END_IDLE;
    int level = plain ? PST_LOG_DEBUG : PST_LOG_INFO;
    uint32_t held = 0;

    if (!log_on(level) ||
        (!plain && !log_on(PST_LOG_DEBUG) && !log_limit_ok(&limit, 1000, &held))) {
        return;
    }
    LOG(level, "connection closed", LOGF_U64("conn", c->id),
        LOGF_Z("listener", c->listener->conf->name),
        LOGF_Z("edge", c->edge == NULL ? NULL : c->edge->conf->name), LOGF_Z("sni", c->sni),
        LOGF_ADDR("client", &c->client_addr), LOGF_Z("reason", conn_reason_name(e->reason)),
        LOGF_Z("side", pst_side_name(e->side)),
        LOGF_Z("stage", c->stage == 0 ? NULL : stage_name(c->stage)),
        LOGF_Z("module", c->why.module), LOGF_Z("code", c->why.code), LOGF_Z("text", c->why.text),
        LOGF_Z("upstream", c->upstream_name), LOGF_U64("tries", c->tries),
        LOGF_U64_IF("alert", (uint64_t)alert - 1, alert != 0),
        LOGF_Z("error", e->sys_errno == 0 ? NULL : strerrorname_np(e->sys_errno)),
        LOGF_U64("bytes_in", t->client_in), LOGF_U64("bytes_out", t->client_out),
        LOGF_U64("ms", (loop_now(c->w->loop) - c->t_accept) / 1000000),
        LOGF_Z("truncated", e->truncated ? "true" : NULL),
        LOGF_U64_IF("not_logged", held, held > 0));
}

/* The client's socket outlives the connection when its last bytes must still arrive. */
static bool close_streams(struct conn *c, const struct conn_end *e, bool linger)
{
    uint32_t how = e->abort ? PST_CLOSE_ABORT : PST_CLOSE_GRACEFUL;

    stream_free(c->upstream, how);
    c->upstream = NULL;
    /* Only a socket may outlive its connection: a module's stream ends with the generation. */
    if (linger && stream_fd(c->client) < 0) {
        (void)stream_shutdown_write(c->client);
        linger = false;
    }
    if (linger) {
        conn_linger(c->w, c->gen, stream_strip(c->client, how));
    } else {
        stream_free(c->client, how);
    }
    c->client = NULL;
    return linger;
}

void conn_end(struct conn *c, const struct conn_end *e)
{
    struct conn_worker *w = c->w;
    struct generation *g = c->gen;
    struct conn_totals t = { 0 };
    bool relayed = c->state == CONN_RELAY;
    bool linger = e->linger;

    if (c->why.code == NULL) {
        c->why.code = e->code;
        c->why.text = e->text;
    }
    if (c->setup != NULL) {
        conn_stage_cancel(c);
    }
    loop_cancel(w->loop, &c->task);
    if (e->alert != 0 && send_alert(c, e->alert)) {
        linger = true;
    }
    c->state = CONN_CLOSED;
    if (c->relay != NULL) {
        t.t_first_byte = relay_first_byte(c->relay);
        relay_free(c->relay);
        c->relay = NULL;
    }
    if (!e->abort) {
        say_goodbye(c->client);
        say_goodbye(c->upstream);
    }
    count_streams(c, &t);
    conn_count_end(c, &t, e->reason, relayed);
    if (w->closed != NULL || wants_record(c)) {
        tell_modules(c, e, &t);
    }
    log_end(c, e, &t);
    linger = close_streams(c, e, linger);
    conn_stage_notify(c, PST_STAGE_CONN_FINI, NULL);
    watch_scope_free(c->scope);
    if (c->edge != NULL && c->edge->upstream != NULL) {
        upstream_end(c->edge->upstream, &c->walk);
    }
    conn_setup_free(c);
    loop_cancel(w->loop, &c->task);
    conn_cursors_pass(w, c);
    list_remove(&c->node);
    arena_free(&c->arena);
    free(c);
    if (!linger) {
        conn_slot_free(w, g);
    }
}

void conn_fail(struct conn *c, uint32_t reason, uint32_t side, const char *code, const char *text)
{
    conn_end(c, &(struct conn_end){
                    .reason = reason,
                    .side = side,
                    .code = code,
                    .text = text,
                    .abort = reason == PST_END_KILLED || reason == PST_END_INTERNAL,
                    .truncated = reason == PST_END_KILLED || reason == PST_END_INTERNAL,
                });
}

void conn_denied(struct conn *c)
{
    enum conf_deny how = c->edge != NULL ? c->edge->conf->on_deny : c->listener->conf->on_deny;
    struct conn_end e = { .reason = c->setup->overload ? PST_END_OVERLOAD : PST_END_DENIED };

    e.alert = how == CONF_DENY_ALERT ? ALERT_ACCESS_DENIED : 0;
    e.abort = how == CONF_DENY_RESET;
    conn_end(c, &e);
}
