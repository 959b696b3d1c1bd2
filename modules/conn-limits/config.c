/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../common/cfg_wrong.h"

#define PENALTY_MAX_MS (UINT64_C(7) * 24 * 3600 * 1000)

#define OPT(name_, type_, flags_, def_, min_, max_, help_)                                         \
    {                                                                                              \
        .name = (name_), .def = (def_), .help = (help_), .min = (min_), .max = (max_),             \
        .type = (type_), .flags = (flags_)                                                         \
    }

const struct pst_option limits_options[LIMITS_N_OPTIONS] = {
    OPT("max_conns", PST_OPT_U64, 0, NULL, 1, UINT32_MAX, "connections at once, of all clients"),
    OPT("max_conns_per_client", PST_OPT_U64, 0, NULL, 1, UINT32_MAX,
        "connections at once, of one client"),
    OPT("conn_rate", PST_OPT_STR, 0, NULL, 0, 0,
        "new connections of all clients, such as \"1000/1s\""),
    OPT("conn_rate_per_client", PST_OPT_STR, 0, NULL, 0, 0,
        "new connections of one client, such as \"100/10s\""),
    OPT("burst", PST_OPT_U64, 0, NULL, 1, RATE_COUNT_MAX,
        "how many of conn_rate may come at once; default: all of them"),
    OPT("burst_per_client", PST_OPT_U64, 0, NULL, 1, RATE_COUNT_MAX,
        "how many of conn_rate_per_client may come at once; default: all of them"),
    OPT("max_preread", PST_OPT_U64, PST_OPT_LISTENER_ONLY, NULL, 1, UINT32_MAX,
        "connections that have not sent a complete ClientHello, of all clients"),
    OPT("max_preread_per_client", PST_OPT_U64, PST_OPT_LISTENER_ONLY, NULL, 1, UINT32_MAX,
        "the same of one peer"),
    OPT("max_failures", PST_OPT_STR, 0, NULL, 0, 0,
        "failed hellos and handshakes that a client may have, such as \"20/1m\""),
    OPT("penalty", PST_OPT_DURATION, 0, "1m", 1, PENALTY_MAX_MS,
        "how long a client with more failures is refused"),
    OPT("ipv4_prefix", PST_OPT_U64, 0, "32", 1, 32, "bits of an IPv4 address that make a client"),
    OPT("ipv6_prefix", PST_OPT_U64, 0, "64", 1, 128, "bits of an IPv6 address that make a client"),
    OPT("exempt", PST_OPT_NET, PST_OPT_LIST, NULL, 0, 0,
        "networks that the limits per client leave alone"),
    OPT("table_size", PST_OPT_U64, 0, "131072", TABLE_SIZE_MIN, TABLE_SIZE_MAX,
        "clients that are known at once, 72 bytes each"),
};

/* What is passed around while an instance is configured. */
struct setup {
    const struct pst_host *host;
    const pst_cfg *cfg;
    struct limits *l;
    bool failed, nomem;
};

/* Reported, and on with the rest: all that is wrong is told at once. */
#define wrong(s, ...) ((s)->failed = cfg_wrong((s)->host, __VA_ARGS__) != PST_OK)

/* A number that may be absent: 0 then. */
static uint64_t number(struct setup *s, const char *key)
{
    uint64_t v = 0;
    int32_t rc = s->host->cfg_u64(s->cfg, key, &v);

    s->failed = s->failed || (rc != PST_OK && rc != PST_ERR_NOT_FOUND);
    return rc == PST_OK ? v : 0;
}

/* A rate that may be absent, with its burst when it has such a key. */
static void read_rate(struct setup *s, const char *key, const char *burst_key, struct rate *out)
{
    const pst_cfg *node = s->host->cfg_get(s->cfg, key);
    const pst_cfg *burst_node = burst_key == NULL ? NULL : s->host->cfg_get(s->cfg, burst_key);
    uint64_t burst = burst_key == NULL ? 0 : number(s, burst_key), count = 0, period = 0;
    struct pst_str text = { "", 0 };

    if (node == NULL) {
        if (burst_node != NULL) {
            wrong(s, burst_node, "\"%s\" means nothing without \"%s\"", burst_key, key);
        }
        return;
    }
    if (s->host->cfg_str(s->cfg, key, &text) != PST_OK) {
        s->failed = true;
    } else if (!rate_parse(text.p, text.n, &count, &period)) {
        wrong(s, node,
              "\"%s\" is not a rate; write how many in which time, up to a day: \"100/10s\", "
              "\"20/1m\"",
              text.p);
    } else if (!rate_make(count, period, burst, out)) {
        wrong(s, burst_node != NULL ? burst_node : node,
              "a burst of %" PRIu64 " needs more than 30 days to come back at \"%s\"", burst,
              text.p);
    }
}

static void read_exempt(struct setup *s)
{
    const pst_cfg *list = s->host->cfg_get(s->cfg, "exempt");
    uint32_t n = list == NULL ? 0 : s->host->cfg_count(list);

    if (n == 0) {
        return;
    }
    s->l->exempt = calloc(n, sizeof(*s->l->exempt));
    if (s->l->exempt == NULL) {
        s->nomem = true;
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct exempt *e = &s->l->exempt[i];
        struct pst_net net = { 0 };

        if (s->host->cfg_net(s->host->cfg_at(list, i), NULL, &net) != PST_OK) {
            s->failed = true;
            return;
        }
        e->prefix = net.prefix + (net.addr.family == PST_AF_INET ? 96 : 0);
        e->net = limits_network(&net.addr, e->prefix);
        s->l->n_exempt++;
    }
}

/* What the limits mean together. */
static void check_sense(struct setup *s)
{
    const struct limits *l = s->l;
    const pst_cfg *penalty = s->host->cfg_get(s->cfg, "penalty");

    if (penalty != NULL && l->failures.interval == 0) {
        wrong(s, penalty, "\"penalty\" means nothing without \"max_failures\"");
    }
    if (l->max_conns == 0 && l->rate.interval == 0 && l->max_preread == 0 &&
        !limits_per_client(l)) {
        wrong(s, s->cfg,
              "nothing is limited: give \"max_conns\", \"max_conns_per_client\", \"conn_rate\", "
              "\"conn_rate_per_client\", \"max_preread\", \"max_preread_per_client\" or "
              "\"max_failures\"");
    }
}

int32_t limits_configure(const struct pst_host *host, const pst_cfg *cfg, struct limits *l)
{
    struct setup s = { .host = host, .cfg = cfg, .l = l };
    uint64_t penalty = 0;

    l->max_conns = (uint32_t)number(&s, "max_conns");
    l->max_conns_per_client = (uint32_t)number(&s, "max_conns_per_client");
    l->max_preread = (uint32_t)number(&s, "max_preread");
    l->max_preread_per_client = (uint32_t)number(&s, "max_preread_per_client");
    l->ipv4_prefix = (uint32_t)number(&s, "ipv4_prefix");
    l->ipv6_prefix = (uint32_t)number(&s, "ipv6_prefix");
    read_rate(&s, "conn_rate", "burst", &l->rate);
    read_rate(&s, "conn_rate_per_client", "burst_per_client", &l->rate_per_client);
    read_rate(&s, "max_failures", NULL, &l->failures);
    s.failed = s.failed || host->cfg_duration(cfg, "penalty", &penalty) != PST_OK;
    l->penalty_ns = penalty * 1000000;
    read_exempt(&s);
    if (!s.failed) {
        check_sense(&s);
    }
    if (!s.failed && !s.nomem) {
        s.nomem = !limits_prepare(l, (uint32_t)number(&s, "table_size"));
    }
    return s.nomem ? PST_ERR_NOMEM : s.failed ? PST_ERR_CONFIG : PST_OK;
}
