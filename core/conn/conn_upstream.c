/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From an admitted client to the relay: transports, targets, connect, hand-over. */
#include <errno.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/config/conf.h"
#include "core/conn/conn_priv.h"
#include "core/edge/edge.h"
#include "core/module/chain.h"
#include "core/stream/relay.h"
#include "core/stream/stream.h"
#include "core/upstream/dial.h"

static const struct conf_timeouts *timeouts(const struct conn *c)
{
    return &c->edge->conf->timeouts;
}

/* What the handshake of either side waits for. */
static void wait_for(struct stream *s, int32_t want)
{
    stream_interest(s, want == PST_WANT_WRITE ? PST_STREAM_WRITE : PST_STREAM_READ);
}

/* Largest content of a record (RFC 8446 section 5.1), and what goes before it. */
#define RECORD_MAX  ((size_t)1 << 14)
#define RECORD_HEAD 5

/*
 * What was read, with the ClientHello in as few records as will hold it: TLS engines stumble over
 * one in tiny pieces. The handshake hashes messages, not records, so both ends agree (RFC 8446
 * section 4.4.1). ERR_OK or ERR_NOMEM.
 */
static int reframe(const struct conn_setup *s, struct buf *out)
{
    const struct buf *msg = &s->hello.msg;
    size_t rest = s->wire.len - s->hello.consumed;
    int rc = ERR_OK;

    buf_init(out, msg->len + (msg->len / RECORD_MAX + 1) * RECORD_HEAD + rest);
    for (size_t off = 0; rc == ERR_OK && off < msg->len; off += RECORD_MAX) {
        size_t n = msg->len - off < RECORD_MAX ? msg->len - off : RECORD_MAX;
        const uint8_t head[RECORD_HEAD] = { HELLO_RECORD_TYPE, 3, 1, (uint8_t)(n >> 8),
                                            (uint8_t)n };

        rc = buf_add(out, head, sizeof(head));
        if (rc == ERR_OK) {
            rc = buf_add(out, msg->p + off, n);
        }
    }
    if (rc == ERR_OK && rest > 0) {
        rc = buf_add(out, s->wire.p + s->hello.consumed, rest);
    }
    if (rc != ERR_OK) {
        buf_free(out);
    }
    return rc;
}

/*
 * A module terminates TLS and the hello came in pieces. Nothing may follow it inside its last
 * record: keys change behind it (RFC 8446 section 5.1). False: the connection has ended.
 */
static bool replay_reframed(struct conn *c, struct buf *plain)
{
    if (c->setup->hello.left > 0) {
        buf_free(plain);
        conn_end(c, &(struct conn_end){ .reason = PST_END_BAD_HELLO,
                                        .side = PST_SIDE_CLIENT,
                                        .alert = ALERT_UNEXPECTED_MESSAGE,
                                        .code = "bad-hello",
                                        .text = "more in the record that ends the ClientHello" });
        return false;
    }
    stream_set_prefix(c->client, plain);
    return true;
}

enum conn_step conn_transport(struct conn *c)
{
    struct conn_setup *s = c->setup;
    const struct chain *chain = c->edge->chain;
    bool may_end_here = chain != NULL && chain_has_role(chain, PST_ROLE_CLIENT_TRANSPORT);
    struct buf plain = { 0 };
    int32_t v;

    if (may_end_here && s->hello.fragmented && reframe(s, &plain) != ERR_OK) {
        conn_fail(c, PST_END_INTERNAL, 0, "no-memory", NULL);
        return STEP_WAIT;
    }
    /* What was read to find the edge is read again by whoever comes next. */
    stream_set_prefix(c->client, &s->wire);
    s->claimed = false;
    v = conn_stage(c, PST_STAGE_TRANSPORT, NULL);
    if (v == PST_CLAIM && plain.len > 0 && !replay_reframed(c, &plain)) {
        return STEP_WAIT;
    }
    buf_free(&plain);
    if (v == PST_CLAIM) {
        conn_deadline(c, timeouts(c)->handshake, PST_END_HANDSHAKE_TIMEOUT);
        c->state = CONN_HANDSHAKE;
        return STEP_GO;
    }
    if (v == PST_NEXT) {
        c->state = CONN_HANDSHAKE_DONE;
        return STEP_GO;
    }
    return STEP_WAIT;
}

enum conn_step conn_handshake(struct conn *c)
{
    int32_t rc = stream_handshake(c->client);

    if (rc == PST_WANT_READ || rc == PST_WANT_WRITE) {
        wait_for(c->client, rc);
        return STEP_WAIT;
    }
    if (rc != PST_OK) {
        conn_end(c, &(struct conn_end){ .reason = PST_END_HANDSHAKE_FAILED,
                                        .side = PST_SIDE_CLIENT,
                                        .sys_errno = stream_errno(c->client),
                                        .linger = rc == PST_ERR_PROTOCOL,
                                        .code = "handshake" });
        return STEP_WAIT;
    }
    c->t_handshake = loop_now(c->w->loop);
    conn_count_handshake(c, PST_SIDE_CLIENT);
    conn_deadline_off(c);
    c->state = CONN_HANDSHAKE_DONE;
    return STEP_GO;
}

static void on_upstream_event(void *arg, unsigned events)
{
    (void)events;
    conn_advance(arg);
}

static void connected(struct conn *c)
{
    c->t_connected = loop_now(c->w->loop);
    conn_vars_upstream_changed(c);
    stream_on_ready(c->upstream, on_upstream_event, c);
    c->state = CONN_UPSTREAM_READY;
}

enum conn_step conn_upstream(struct conn *c)
{
    int32_t v;

    c->setup->claimed = false;
    if (c->t_connect_start == 0) {
        c->t_connect_start = loop_now(c->w->loop);
    }
    v = conn_stage(c, PST_STAGE_UPSTREAM, NULL);
    if (v == PST_CLAIM) {
        c->setup->supplied = true;
        connected(c);
        return STEP_GO;
    }
    if (v == PST_NEXT) {
        c->state = CONN_DIAL;
        return STEP_GO;
    }
    return STEP_WAIT;
}

/* What this host lacks says nothing about a target. */
static bool is_our_lack(int err)
{
    return err == EMFILE || err == ENFILE || err == ENOMEM || err == ENOBUFS ||
           err == EADDRNOTAVAIL;
}

static void no_upstream(struct conn *c, const char *code, const char *text)
{
    struct conn_end e = { .reason = PST_END_CONNECT_FAILED,
                          .side = PST_SIDE_UPSTREAM,
                          .sys_errno = c->setup->last_errno,
                          .alert = ALERT_INTERNAL_ERROR,
                          .code = code,
                          .text = text };

    /* In a session that ends here close_notify would say that the upstream had nothing to say. */
    e.abort = stream_inner(c->client) != NULL;
    if (c->setup->last_was_tls) {
        e.reason = PST_END_UPSTREAM_TLS_FAILED;
    } else if (is_our_lack(c->setup->last_errno)) {
        e.reason = PST_END_OVERLOAD;
        e.side = 0;
    }
    conn_end(c, &e);
}

/* How the attempt with a target went; it is a good one only once it has shaken hands too. */
static void tell_result(struct conn *c, bool ok)
{
    const struct conn_setup *s = c->setup;

    if (s->chosen == NULL && !s->supplied) {
        upstream_result(c->edge->upstream, &c->walk, ok, loop_now(c->w->loop));
    }
}

static void dialled(struct conn *c, struct stream *s, int err)
{
    c->setup->dial = NULL;
    c->upstream = s;
    if (err != 0 && !is_our_lack(err)) {
        tell_result(c, false);
    }
    c->setup->last_errno = err;
    c->setup->last_was_tls = false;
    if (err == 0) {
        connected(c);
    }
}

static void on_dialled(void *arg, struct stream *s, int err)
{
    dialled(arg, s, err);
    conn_advance(arg);
}

/* The next target: by the module's choice (one try), or by the edge's upstream. */
static int next_target(struct conn *c, struct upstream_choice *t)
{
    if (c->setup->chosen != NULL) {
        *t = (struct upstream_choice){ .name = "module", .addr = *c->setup->chosen };
        return c->tries == 0 ? ERR_OK : ERR_LIMIT;
    }
    if (c->edge->upstream == NULL) {
        return ERR_NOT_FOUND;
    }
    return upstream_next(c->edge->upstream, &c->walk, &c->client_addr, loop_now(c->w->loop), t);
}

/* False: none is left, and the connection has ended. */
static bool choose_target(struct conn *c)
{
    struct conn_setup *s = c->setup;

    if (s->again) {
        s->again = false;
        s->tried_again = true;
        return true;
    }
    if (next_target(c, &s->target) != ERR_OK) {
        no_upstream(c, c->tries == 0 ? "no-target" : "connect-failed",
                    c->tries == 0 ? "no target has an address" : "no target could be reached");
        return false;
    }
    s->tried_again = false;
    c->tries++;
    c->upstream_addr = s->target.addr;
    c->upstream_name = s->target.name;
    c->upstream_host = s->target.host;
    c->upstream_tls = s->target.tls;
    conn_vars_upstream_changed(c);
    return true;
}

enum conn_step conn_dial(struct conn *c)
{
    struct conn_setup *s = c->setup;
    struct stream *at_once;
    const struct dial_opts o = { .timeout_ms = timeouts(c)->connect,
                                 .keepalive_ms = c->edge->conf->tcp.keepalive,
                                 .user_timeout_ms = c->edge->conf->tcp.user_timeout };

    if (s->dial != NULL || !choose_target(c)) {
        return STEP_WAIT;
    }
    /* What was wrong with the target before is over. */
    c->why = (struct conn_why){ 0 };
    c->t_connected = 0;
    c->alerts[conn_alert_slot(PST_SIDE_UPSTREAM, false)] = 0;
    c->alerts[conn_alert_slot(PST_SIDE_UPSTREAM, true)] = 0;
    s->dial = dial_start(c->w->loop, &s->target.addr, s->target.path, &o, &at_once, on_dialled, c);
    if (at_once != NULL) {
        dialled(c, at_once, 0);
        return STEP_GO;
    }
    if (s->dial == NULL) {
        conn_fail(c, PST_END_INTERNAL, 0, "no-memory", NULL);
    }
    return STEP_WAIT;
}

static enum conn_step upstream_is_ready(struct conn *c)
{
    tell_result(c, true);
    c->why = (struct conn_why){ 0 };
    c->state = CONN_ESTABLISHED;
    return STEP_GO;
}

enum conn_step conn_upstream_ready(struct conn *c)
{
    struct conn_setup *s = c->setup;

    buf_clear(&s->app);
    s->upstream_stacked = false;
    s->noted = (struct conn_why){ 0 };
    if (conn_stage(c, PST_STAGE_UPSTREAM_READY, NULL) != PST_NEXT) {
        return STEP_WAIT;
    }
    if (!s->upstream_stacked && !s->supplied) {
        return upstream_is_ready(c);
    }
    conn_deadline(c, timeouts(c)->handshake, PST_END_UPSTREAM_TLS_FAILED);
    c->state = CONN_UPSTREAM_HANDSHAKE;
    return STEP_GO;
}

static void log_failure(const struct conn *c)
{
    static struct log_limit limit;

    if (log_on(PST_LOG_INFO) && log_limit_ok(&limit, 100, NULL)) {
        LOG(PST_LOG_INFO, "upstream handshake failed", LOGF_U64("conn", c->id),
            LOGF_Z("edge", c->edge->conf->name), LOGF_Z("upstream", c->upstream_name),
            LOGF_ADDR("addr", &c->upstream_addr), LOGF_Z("code", c->why.code),
            LOGF_Z("text", c->why.text), LOGF_Z("next", c->setup->again ? "again" : NULL));
    }
}

void conn_upstream_failed(struct conn *c, int32_t rc, int sys_errno)
{
    struct conn_setup *s = c->setup;
    /* A reset could overtake the alert that the upstream was sent. */
    uint32_t how = rc == PST_ERR_PROTOCOL || rc == PST_AGAIN ? PST_CLOSE_GRACEFUL : PST_CLOSE_ABORT;

    conn_deadline_off(c);
    s->last_errno = sys_errno;
    s->last_was_tls = true;
    s->again = rc == PST_AGAIN && !s->tried_again && !s->supplied;
    if (!s->again) {
        conn_count_handshake_failed(PST_SIDE_UPSTREAM);
    }
    if (c->why.code == NULL) {
        c->why = s->noted;
    }
    if (c->why.code == NULL) {
        c->why.code = "upstream-handshake";
    }
    log_failure(c);
    if (s->supplied || (s->chosen != NULL && !s->again)) {
        no_upstream(c, NULL, NULL);
        return;
    }
    c->upstream_in += stream_bytes_in(c->upstream);
    c->upstream_out += stream_bytes_out(c->upstream);
    stream_free(c->upstream, how);
    c->upstream = NULL;
    if (!s->again) {
        tell_result(c, false);
    }
    c->state = CONN_DIAL;
    conn_wake(c);
}

enum conn_step conn_upstream_handshake(struct conn *c)
{
    int32_t rc = stream_handshake(c->upstream);

    if (rc == PST_WANT_READ || rc == PST_WANT_WRITE) {
        wait_for(c->upstream, rc);
        return STEP_WAIT;
    }
    if (rc != PST_OK) {
        conn_upstream_failed(c, rc, stream_errno(c->upstream));
        return STEP_WAIT;
    }
    c->t_upstream_ready = loop_now(c->w->loop);
    conn_count_handshake(c, PST_SIDE_UPSTREAM);
    conn_deadline_off(c);
    stream_interest(c->upstream, 0);
    return upstream_is_ready(c);
}

static void on_relay_done(void *arg, const struct relay_end *end)
{
    struct conn *c = arg;

    conn_end(c, &(struct conn_end){
                    .reason = end->reason,
                    .side = end->side,
                    .sys_errno = end->sys_errno,
                    .truncated = end->truncated,
                    .abort = end->reason != PST_END_IDLE && end->truncated,
                    .linger = end->last_words,
                    .code = end->half_close ? "half-close-timeout" : NULL,
                });
}

enum conn_step conn_established(struct conn *c)
{
    const struct relay_config cfg = { .idle_ms = timeouts(c)->idle,
                                      .half_close_ms = timeouts(c)->half_close };

    c->relay = relay_new(c->w->loop, c->w->pipes, c->client, c->upstream, &cfg, on_relay_done, c);
    if (c->relay == NULL || (c->setup->app.len > 0 &&
                             relay_push_app(c->relay, c->setup->app.p, c->setup->app.len) != 0)) {
        conn_fail(c, PST_END_INTERNAL, 0, "no-memory", NULL);
        return STEP_WAIT;
    }
    if (conn_stage(c, PST_STAGE_ESTABLISHED, NULL) != PST_NEXT) {
        return STEP_WAIT;
    }
    conn_vars_keep(c);
    conn_setup_free(c);
    c->state = CONN_RELAY;
    relay_start(c->relay);
    return STEP_WAIT;
}
