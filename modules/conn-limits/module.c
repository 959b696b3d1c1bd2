/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conn-limits: how many connections, and how fast new ones, per client and in all.
 *
 * The effective client address is judged: at an edge in on_admit, at a listener in
 * on_client_hello, because a PROXY header in front of the hello may still replace the address.
 * What a client does before that, sending nothing or nonsense, is judged in on_accept by the
 * address of the socket's peer.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "limits.h"

#define NAME "conn-limits"

/* "ffff:...:255.255.255.255/128" */
#define CLIENT_TEXT (INET6_ADDRSTRLEN + 4)

/* Set once in load(), read-only afterwards. */
static struct {
    const struct pst_host *host;
    int32_t client_ip;
    int32_t admitted, denied_conns, denied_rate, denied_penalty, denied_preread, denied_table;
    int32_t penalties, forgotten, table_full, clients, conns, preread;
} mod;

struct instance {
    struct limits limits;
    pst_instance *self;
};

static const struct {
    const char *code, *text;
    int32_t *metric;
} refusals[] = {
    [REFUSE_PENALTY] = { "limit-penalty", "too many failed handshakes", &mod.denied_penalty },
    [REFUSE_CONNS_CLIENT] = { "limit-conns", "max_conns_per_client", &mod.denied_conns },
    [REFUSE_CONNS] = { "limit-conns", "max_conns", &mod.denied_conns },
    [REFUSE_RATE_CLIENT] = { "limit-rate", "conn_rate_per_client", &mod.denied_rate },
    [REFUSE_RATE] = { "limit-rate", "conn_rate", &mod.denied_rate },
    [REFUSE_PREREAD_CLIENT] = { "limit-preread", "max_preread_per_client", &mod.denied_preread },
    [REFUSE_PREREAD] = { "limit-preread", "max_preread", &mod.denied_preread },
    [REFUSE_TABLE] = { "limit-table", "table_size: no room for one more client",
                       &mod.denied_table },
};

/* --- texts ------------------------------------------------------------------------------------ */

static void format_client(const struct limits *l, const struct client_key *k, char *buf, size_t n)
{
    bool v4 = k->hi == 0 && k->lo >> 32 == 0xffff;
    uint8_t ip[16];
    char text[INET6_ADDRSTRLEN] = "?";

    for (int i = 0; i < 8; i++) {
        ip[i] = (uint8_t)(k->hi >> (56 - 8 * i));
        ip[8 + i] = (uint8_t)(k->lo >> (56 - 8 * i));
    }
    (void)inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? ip + 12 : ip, text, sizeof(text));
    snprintf(buf, n, "%s/%" PRIu32, text, v4 ? l->ipv4_prefix : l->ipv6_prefix);
}

static void say(const struct instance *in, uint32_t level, const char *text)
{
    mod.host->log(in->self, NULL, level, text, strlen(text));
}

/* The table never forgets in silence. */
static void count_table(const struct instance *in, unsigned what)
{
    if (what & TABLE_GREW) {
        mod.host->metric_add(mod.clients, 1);
    }
    if (what & TABLE_FORGOT) {
        mod.host->metric_add(mod.forgotten, 1);
        say(in, PST_LOG_WARNING,
            "more clients than table_size: the oldest are forgotten, their limits begin anew");
    }
    if (what & TABLE_FULL) {
        mod.host->metric_add(mod.table_full, 1);
        say(in, PST_LOG_WARNING,
            "more clients with connections than table_size: others are refused");
    }
}

/* --- judging ---------------------------------------------------------------------------------- */

static const struct client_key *key_of(const struct limits *l, pst_conn *conn,
                                       struct client_key *key)
{
    struct pst_value v = { 0 };

    if (l->table == NULL || mod.host->var_get(conn, mod.client_ip, &v) != PST_OK ||
        v.type != PST_VALUE_ADDR || !limits_key(l, &v.u.addr, key)) {
        return NULL;
    }
    return key;
}

static int32_t answer(struct pst_call *k, const struct client_key *key, const struct outcome *o)
{
    const struct instance *in = k->inst;
    char client[CLIENT_TEXT] = "", text[160];
    const char *code = refusals[o->refusal].code;
    bool own =
        o->refusal != REFUSE_CONNS && o->refusal != REFUSE_RATE && o->refusal != REFUSE_PREREAD;
    int n;

    count_table(in, o->table);
    if (o->refusal == REFUSE_NOT) {
        return PST_NEXT;
    }
    mod.host->metric_add(*refusals[o->refusal].metric, 1);
    if (own && key != NULL) {
        format_client(&in->limits, key, client, sizeof(client));
    }
    n = snprintf(text, sizeof(text), "%s%s%s", client, client[0] != '\0' ? ": " : "",
                 refusals[o->refusal].text);
    mod.host->deny(k->conn, code, strlen(code), text, n > 0 ? (size_t)n : 0);
    return PST_DENY;
}

static int32_t on_accept(struct pst_call *k)
{
    const struct instance *in = k->inst;
    struct client_key key;
    /* No PROXY header has been read yet: this is the peer. */
    const struct client_key *client = key_of(&in->limits, k->conn, &key);
    struct hold *h = k->state;
    struct outcome o = limits_accepted(&in->limits, client, mod.host->now_ns(), h);

    mod.host->metric_add(mod.preread, h->preread);
    return answer(k, client, &o);
}

static void first_bytes_read(const struct limits *l, uint64_t now, struct hold *h)
{
    mod.host->metric_add(mod.preread, -(int64_t)h->preread);
    limits_read(l, now, h);
}

static int32_t admit(struct pst_call *k)
{
    const struct instance *in = k->inst;
    struct client_key key;
    const struct client_key *client = key_of(&in->limits, k->conn, &key);
    uint64_t now = mod.host->now_ns();
    struct hold *h = k->state;
    struct outcome o;

    first_bytes_read(&in->limits, now, h);
    o = limits_admit(&in->limits, client, now, h);
    if (o.refusal == REFUSE_NOT) {
        mod.host->metric_add(mod.admitted, 1);
        mod.host->metric_add(mod.conns, 1);
    }
    return answer(k, client, &o);
}

/* --- the end of a connection ------------------------------------------------------------------ */

static bool is_failure(uint32_t reason)
{
    switch (reason) {
    case PST_END_HELLO_TIMEOUT:
    case PST_END_BAD_HELLO:
    case PST_END_HELLO_TOO_LARGE:
    case PST_END_NO_SNI:
    case PST_END_UNKNOWN_SNI:
    case PST_END_NOT_TLS:
    case PST_END_HANDSHAKE_FAILED:
    case PST_END_HANDSHAKE_TIMEOUT:
        return true;
    default:
        return false;
    }
}

static int32_t on_close(struct pst_call *k)
{
    const struct instance *in = k->inst;
    const struct limits *l = &in->limits;
    const struct pst_record *r = k->arg;
    char client[CLIENT_TEXT], text[160];
    struct client_key key;
    unsigned what = 0;
    bool begins;

    if (l->failures.interval == 0 || !is_failure(r->reason) || !limits_key(l, &r->client, &key)) {
        return PST_NEXT;
    }
    begins = limits_failed(l, &key, mod.host->now_ns(), &what);
    count_table(in, what);
    if (begins) {
        mod.host->metric_add(mod.penalties, 1);
        format_client(l, &key, client, sizeof(client));
        snprintf(text, sizeof(text), "too many failed handshakes: %s is refused for %" PRIu64 " ms",
                 client, l->penalty_ns / 1000000);
        say(in, PST_LOG_NOTICE, text);
    }
    return PST_NEXT;
}

static int32_t conn_fini(struct pst_call *k)
{
    const struct instance *in = k->inst;
    struct hold *h = k->state;

    mod.host->metric_add(mod.preread, -(int64_t)h->preread);
    mod.host->metric_add(mod.conns, -(int64_t)h->conns);
    limits_over(&in->limits, mod.host->now_ns(), h);
    return PST_NEXT;
}

/* --- instances -------------------------------------------------------------------------------- */

static void fini(void *inst)
{
    struct instance *in = inst;

    mod.host->metric_add(mod.clients, -(int64_t)limits_release(&in->limits));
    free(in->limits.exempt);
    free(in);
}

static int32_t init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    struct instance *in = calloc(1, sizeof(*in));
    int32_t rc;

    if (in == NULL) {
        return PST_ERR_NOMEM;
    }
    in->self = self;
    rc = limits_configure(mod.host, cfg, &in->limits);
    if (rc != PST_OK) {
        fini(in);
        return rc;
    }
    *inst = in;
    return PST_OK;
}

static int32_t adopt(void *inst, void *prev)
{
    struct instance *in = inst;
    const struct instance *old = prev;
    const struct table *own = in->limits.table;

    limits_adopt(&in->limits, &old->limits);
    if (own != NULL && old->limits.table != NULL && own == in->limits.table) {
        say(in, PST_LOG_NOTICE,
            "table_size or a prefix has changed: all clients count from zero again");
    }
    return PST_OK;
}

static int32_t counter(const char *name, const char *help)
{
    return mod.host->metric_define(NAME, name, help, PST_METRIC_COUNTER);
}

static int32_t gauge(const char *name, const char *help)
{
    return mod.host->metric_define(NAME, name, help, PST_METRIC_GAUGE);
}

static int32_t load(const struct pst_host *host)
{
    mod.host = host;
    mod.client_ip = host->var_id("conn.client_ip");
    mod.admitted = counter("admitted", "connections within all limits");
    mod.denied_conns = counter("denied_conns", "connections above max_conns[_per_client]");
    mod.denied_rate = counter("denied_rate", "connections above conn_rate[_per_client]");
    mod.denied_penalty = counter("denied_penalty", "connections of clients under penalty");
    mod.denied_preread = counter("denied_preread", "connections above max_preread[_per_client]");
    mod.denied_table = counter("denied_table", "connections of clients the table has no room for");
    mod.penalties = counter("penalties", "penalties for failed handshakes");
    mod.forgotten = counter("clients_forgotten", "clients forgotten before their time");
    mod.table_full = counter("table_full", "times that every known client had connections");
    mod.clients = gauge("clients", "clients in the tables");
    mod.conns = gauge("conns", "connections that count against limits");
    mod.preread = gauge("preread", "connections that have not sent their hello yet");
    if (mod.client_ip < 0 || mod.admitted < 0 || mod.denied_conns < 0 || mod.denied_rate < 0 ||
        mod.denied_penalty < 0 || mod.denied_preread < 0 || mod.denied_table < 0 ||
        mod.penalties < 0 || mod.forgotten < 0 || mod.table_full < 0 || mod.clients < 0 ||
        mod.conns < 0 || mod.preread < 0) {
        return PST_ERR;
    }
    return PST_OK;
}

static const struct pst_hooks hooks = {
    .size = sizeof(hooks),
    .init = init,
    .adopt = adopt,
    .on_accept = on_accept,
    .on_client_hello = admit,
    .on_admit = admit,
    .on_close = on_close,
    .conn_fini = conn_fini,
    .fini = fini,
};

static const struct pst_module module = {
    PST_MODULE_HEAD(0, PST_FLAG_DECIDES),
    .name = NAME,
    .version = "1.0.0",
    .scopes = PST_SCOPE_LISTENER | PST_SCOPE_EDGE,
    .conn_state_size = sizeof(struct hold),
    .n_options = LIMITS_N_OPTIONS,
    .option_size = sizeof(struct pst_option),
    .options = limits_options,
    .hooks = &hooks,
    .load = load,
};

const struct pst_module *postern_module_v1(void)
{
    return &module;
}
