/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Synthetic connections through the hooks of one instance. */
#include "kit/check/check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "t/harness/fake_host.h"
#include "t/harness/mem_stream.h"

/* Long enough for every deadline that makes sense before a connection is served. */
#define LONG_MS 3600000u

/* Connections that a module injects for one of ours are ended with it. */
#define INJECTED_MAX 16

/* How a suspended hook comes to its end. */
enum wait_end { WAIT_ITS_TIME, WAIT_DEADLINE, WAIT_CLIENT_GONE, WAIT_ENDS };

struct peer {
    const char *ip;
    bool tls;
};

static const struct peer peers[] = { { "192.0.2.7", true },
                                     { "2001:db8::7", false },
                                     { "unix", true } };

/* A ClientHello for www.example.com with ALPN h2 and http/1.1. */
static const struct pst_str alpn[] = { { "h2", 2 }, { "http/1.1", 8 } };
static const uint16_t versions[] = { 0x0304, 0x0303 };
static const uint16_t ciphers[] = { 0x1301, 0x1302, 0xc02f };
static const uint16_t groups[] = { 0x001d, 0x0017 };
static const uint16_t sigalgs[] = { 0x0403, 0x0804 };
static const uint16_t extensions[] = { 0, 16, 43, 10, 13 };
static const char raw[] = "\x01\x00\x00\x00";
static const struct pst_hello hello = {
    .size = sizeof(hello),
    .raw = { raw, 4 },
    .sni = { "www.example.com", 15 },
    .alpn = alpn,
    .versions = versions,
    .ciphers = ciphers,
    .groups = groups,
    .sigalgs = sigalgs,
    .extensions = extensions,
    .n_alpn = 2,
    .n_versions = 2,
    .n_ciphers = 3,
    .n_groups = 2,
    .n_sigalgs = 2,
    .n_extensions = 5,
    .legacy_version = 0x0303,
};

/* One connection under way. */
struct run {
    const struct conns *cs;
    const struct peer *peer;
    enum wait_end wait_end;
    bool pended;
    pst_conn *conn;
    struct mem_stream *client, *upstream;
};

static void doing(const struct run *r, uint32_t stage, const char *more)
{
    findings_doing(r->cs->ck->all, "%s()%s at %s%s", pst_stage_name(stage), more,
                   scope_text(r->cs->scope), r->cs->old ? " in a host of 1.0" : "");
}

void report_bugs(const struct check *ck, struct fake_host *h)
{
    const char *at = fake_host_transcript(h);

    while ((at = strstr(at, "bug: ")) != NULL) {
        if (at == fake_host_transcript(h) || at[-1] == '\n') {
            problem(ck->all, "host-call", "%.*s", (int)strcspn(at + 5, "\n"), at + 5);
        }
        at += 5;
    }
    fake_host_forget(h);
}

static void set_number(pst_conn *c, const char *name, uint64_t n)
{
    struct pst_value v = { .type = PST_VALUE_U64, .u.u64 = n };

    fake_conn_set(c, name, &v);
}

static void describe(const struct run *r)
{
    static const struct pst_upstream_target target = {
        .size = sizeof(target),
        .flags = PST_TARGET_TLS,
        .name = { "app.example.com:443", 19 },
        .host = { "app.example.com", 15 },
        .addr = { .family = PST_AF_INET, .port = 443, .ip = { 198, 51, 100, 1 } },
    };
    pst_conn *c = r->conn;

    fake_conn_set_ip(c, "conn.client_ip", r->peer->ip);
    fake_conn_set_ip(c, "conn.peer_ip", r->peer->ip);
    fake_conn_set_ip(c, "conn.local_ip", r->peer->ip);
    set_number(c, "conn.id", 7);
    set_number(c, "conn.client_port", 40000);
    set_number(c, "conn.peer_port", 40000);
    set_number(c, "conn.local_port", 443);
    set_number(c, "conn.start_ns", 1000000000);
    fake_conn_set_str(c, "conn.listener", "public");
    if (r->peer->tls) {
        fake_conn_set_str(c, "conn.tls.sni", "www.example.com");
        fake_conn_set_str(c, "conn.tls.alpn_offered", "h2,http/1.1");
    }
    if (r->cs->scope == PST_SCOPE_EDGE) {
        fake_conn_set_str(c, "edge.name", "check");
        fake_conn_set_hello(c, r->peer->tls ? &hello : NULL);
    }
    fake_conn_set_target(c, &target);
    fake_conn_set_stream(c, PST_SIDE_CLIENT, &mem_ops, r->client);
}

/* The first bytes, a few more each time the module asks; then the end. */
static int32_t run_preface(const struct run *r)
{
    static const char first[] = "\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03"
                                "PROXY TCP4 192.0.2.1 198.51.100.1 4000 443\r\n";
    struct pst_preface p = { .size = sizeof(p), .data = (const uint8_t *)first };
    int32_t verdict = PST_MORE;

    for (size_t n = 1; verdict == PST_MORE && n < sizeof(first); n += 7) {
        p.len = n;
        p.eof = n + 7 >= sizeof(first);
        verdict = fake_conn_run(r->conn, r->cs->inst, PST_STAGE_PREFACE, &p);
    }
    if (verdict == PST_NEXT && p.consumed > p.len) {
        problem(r->cs->ck->all, "preface", "on_preface() consumed more bytes than it was shown");
    }
    return verdict;
}

/* Wait as the run is to; the verdict that came of it, PST_PENDING for none. */
static int32_t wait_for_it(struct run *r, uint32_t stage)
{
    int32_t verdict = PST_PENDING;

    r->pended = true;
    if (r->wait_end == WAIT_ITS_TIME) {
        doing(r, stage, " waiting,");
        fake_host_turn(r->cs->host);
        fake_host_advance(r->cs->host, LONG_MS);
        fake_host_turn(r->cs->host);
    }
    if (fake_conn_resumed(r->conn, &verdict)) {
        return verdict;
    }
    if (r->wait_end != WAIT_CLIENT_GONE) {
        doing(r, stage, " cancelled");
        fake_conn_expire(r->conn);
    }
    return PST_PENDING;
}

/* The far end of a stream that was just stacked goes away: the handshake has to end. */
static bool shake_hands(const struct run *r, uint32_t side)
{
    void *ctx = NULL;
    const struct pst_stream_ops *ops = fake_conn_stream(r->conn, side, &ctx);
    struct mem_stream *below = side == PST_SIDE_CLIENT ? r->client : r->upstream;

    if (ops == NULL || ctx == below || ops->handshake == NULL) {
        return true;
    }
    findings_doing(r->cs->ck->all, "handshake() of the stream it stacked");
    if (ops->handshake(ctx) == PST_OK) {
        return true;
    }
    mem_end(below);
    if (ops->handshake(ctx) == PST_WANT_READ) {
        problem(r->cs->ck->all, "stream",
                "handshake() of its stream still wants to read after the end of the one below");
    }
    return false;
}

static bool has_own_stream(const struct run *r, uint32_t side)
{
    void *ctx = NULL;
    const struct pst_stream_ops *ops = fake_conn_stream(r->conn, side, &ctx);

    return ops != NULL && ctx != r->client && ctx != r->upstream;
}

static void check_claim(const struct run *r, uint32_t stage, int32_t verdict)
{
    bool has =
        has_own_stream(r, stage == PST_STAGE_TRANSPORT ? PST_SIDE_CLIENT : PST_SIDE_UPSTREAM);

    if (stage == PST_STAGE_UPSTREAM && fake_conn_claimed_fd(r->conn) >= 0) {
        has = true;
        close(fake_conn_claimed_fd(r->conn));
    }
    if (stage != PST_STAGE_TRANSPORT && stage != PST_STAGE_UPSTREAM) {
        return;
    }
    if (has != (verdict == PST_CLAIM)) {
        problem(r->cs->ck->all, "claim", "%s() %s: the two go together", pst_stage_name(stage),
                has ? "supplies a stream and does not answer PST_CLAIM"
                    : "answers PST_CLAIM without a stream");
    }
}

static void use_filters(const struct run *r)
{
    static const char bytes[] = "GET / HTTP/1.1\r\n\r\n";
    int32_t rc;

    findings_doing(r->cs->ck->all, "data() of the filter it attached");
    for (uint32_t dir = PST_DIR_TO_UPSTREAM; dir <= PST_DIR_TO_CLIENT; dir++) {
        fake_conn_filter(r->conn, dir, bytes, 1, 0, &rc);
        fake_conn_filter(r->conn, dir, bytes + 1, sizeof(bytes) - 2, 0, &rc);
        fake_conn_filter(r->conn, dir, "", 0, 1, &rc);
    }
}

/* One stage; false: the connection goes no further. */
static bool run_stage(struct run *r, uint32_t stage)
{
    const struct conns *cs = r->cs;
    int32_t verdict;

    if (stage == PST_STAGE_UPSTREAM_READY && !has_own_stream(r, PST_SIDE_UPSTREAM)) {
        fake_conn_set_stream(r->conn, PST_SIDE_UPSTREAM, &mem_ops, r->upstream);
    }
    doing(r, stage, "");
    if (stage == PST_STAGE_PREFACE) {
        verdict = run_preface(r);
    } else {
        void *arg = NULL;

        if (stage == PST_STAGE_CLIENT_HELLO && r->peer->tls) {
            memcpy(&arg, &(const void *){ &hello }, sizeof(arg));
        }
        verdict = fake_conn_run(r->conn, cs->inst, stage, arg);
    }
    if (verdict == PST_DENY && fake_conn_deny_code(r->conn)[0] == '\0') {
        problem(cs->ck->all, "deny",
                "%s() denies without a reason: call host->deny() first, the event tells it",
                pst_stage_name(stage));
    }
    if (verdict == PST_PENDING) {
        verdict = wait_for_it(r, stage);
    }
    check_claim(r, stage, verdict);
    if (verdict != PST_NEXT && verdict != PST_CLAIM) {
        return false;
    }
    if (stage == PST_STAGE_TRANSPORT || stage == PST_STAGE_UPSTREAM_READY) {
        return shake_hands(r, stage == PST_STAGE_TRANSPORT ? PST_SIDE_CLIENT : PST_SIDE_UPSTREAM);
    }
    if (stage == PST_STAGE_ESTABLISHED) {
        use_filters(r);
    }
    return true;
}

static uint32_t first_stage(uint32_t scope)
{
    return scope == PST_SCOPE_EDGE ? PST_STAGE_ADMIT : PST_STAGE_ACCEPT;
}

static uint32_t last_stage(uint32_t scope)
{
    return scope == PST_SCOPE_EDGE ? PST_STAGE_ESTABLISHED : PST_STAGE_CLIENT_HELLO;
}

static void end_run(const struct run *r, uint32_t stage)
{
    struct pst_record record = { .size = sizeof(record), .reason = PST_END_CLIENT_FIN };
    struct fake_host *h = r->cs->host;

    record.side = PST_SIDE_CLIENT;
    record.stage = stage;
    record.conn_id = 7;
    record.listener = pst_str_of("public");
    record.edge = pst_str_of(r->cs->scope == PST_SCOPE_EDGE ? "check" : "");
    record.sni = pst_str_of(r->peer->tls ? "www.example.com" : "");
    record.wall_start_us = fake_host_table(h)->wall_us();
    record.t_accept = record.t_end = fake_host_table(h)->now_ns();
    doing(r, PST_STAGE_CLOSE, " or conn_fini()");
    fake_conn_end(r->conn, &record);
    findings_doing(r->cs->ck->all, "the end of a connection it injected");
    for (int i = 0; i < INJECTED_MAX; i++) {
        pst_conn *injected = fake_host_injected(h, i);

        if (injected != NULL) {
            fake_conn_end(injected, NULL);
        }
    }
    findings_doing(r->cs->ck->all, "a timer or a job after the end of its connection");
    fake_host_turn(h);
    fake_host_advance(h, LONG_MS);
    fake_host_turn(h);
}

/* A connection that ends after the stage `last`; answers whether a hook was suspended. */
static bool run_conn(const struct conns *cs, const struct peer *peer, uint32_t last,
                     enum wait_end wait_end)
{
    struct run r = { .cs = cs, .peer = peer, .wait_end = wait_end };
    uint32_t stage = first_stage(cs->scope);

    r.client = mem_new(NULL, NULL);
    r.upstream = mem_new(NULL, NULL);
    r.conn = fake_conn_new(cs->host);
    describe(&r);
    while (run_stage(&r, stage) && stage < last) {
        stage++;
    }
    end_run(&r, stage);
    mem_free(r.client);
    mem_free(r.upstream);
    report_bugs(cs->ck, cs->host);
    return r.pended;
}

void conns_all(const struct conns *cs)
{
    for (size_t p = 0; p < sizeof(peers) / sizeof(peers[0]); p++) {
        for (uint32_t last = first_stage(cs->scope); last <= last_stage(cs->scope); last++) {
            int how = WAIT_ITS_TIME;

            while (run_conn(cs, &peers[p], last, (enum wait_end)how) && ++how < WAIT_ENDS) {
            }
        }
    }
}

void conns_one(const struct conns *cs)
{
    run_conn(cs, &peers[0], last_stage(cs->scope), WAIT_ITS_TIME);
}
