/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * event-logging: a line of JSON for each connection that is over, and one for each that begins to
 * be relayed when that is asked for.
 *
 * At a listener it tells of all connections, those included that never reach an edge. An edge that
 * has its own takes over: what was configured there replaces what the listener has, so that no
 * connection is told twice.
 */
#include <stdlib.h>

#include "evlog.h"
#include "services/tls_info.h"

const struct pst_host *evlog_host;
const struct pst_log_sink *evlog_sinks;

/* Set once in load(), read-only afterwards. */
static struct {
    int32_t logged, lost;
} metrics;

/* Variables that stand in for the record when a connection is opened. */
static const char *const opened_vars[EVLOG_OPENED_VARS] = {
    [EVLOG_ID] = "conn.id",
    [EVLOG_START_NS] = "conn.start_ns",
    [EVLOG_LISTENER] = "conn.listener",
    [EVLOG_EDGE] = "edge.name",
    [EVLOG_SNI] = PST_VAR_TLS_SNI,
    [EVLOG_PEER_IP] = "conn.peer_ip",
    [EVLOG_PEER_PORT] = "conn.peer_port",
    [EVLOG_CLIENT_IP] = "conn.client_ip",
    [EVLOG_CLIENT_PORT] = "conn.client_port",
    [EVLOG_LOCAL_IP] = "conn.local_ip",
    [EVLOG_LOCAL_PORT] = "conn.local_port",
    [EVLOG_UPSTREAM_ADDR] = "upstream.addr",
    [EVLOG_UPSTREAM_NAME] = "upstream.name",
};

static void emit(const struct evlog *e, enum evlog_event what, const struct pst_record *r,
                 pst_conn *conn)
{
    char line[EVLOG_LINE_MAX];
    size_t n = record_line(e, what, r, conn, line);
    bool written = n > 0 && evlog_sinks->write(e->sink, line, n) == PST_OK;

    evlog_host->metric_add(written ? metrics.logged : metrics.lost, 1);
}

static int32_t on_close(struct pst_call *k)
{
    const struct evlog *e = k->inst;

    if (e->wants[EVLOG_CLOSED] &&
        !(e->at_listener && evlog_host->conn_twin(k->conn, e->self) != NULL)) {
        emit(e, EVLOG_CLOSED, k->arg, k->conn);
    }
    return PST_NEXT;
}

static struct pst_str var_str(pst_conn *conn, int32_t id)
{
    struct pst_value v = { 0 };

    if (evlog_host->var_get(conn, id, &v) != PST_OK || v.type != PST_VALUE_STR) {
        return (struct pst_str){ "", 0 };
    }
    return v.u.str;
}

static uint64_t var_u64(pst_conn *conn, int32_t id)
{
    struct pst_value v = { 0 };

    return evlog_host->var_get(conn, id, &v) == PST_OK && v.type == PST_VALUE_U64 ? v.u.u64 : 0;
}

static struct pst_addr var_addr(pst_conn *conn, int32_t ip, int32_t port)
{
    struct pst_value v = { 0 };
    struct pst_addr a = { 0 };

    if (evlog_host->var_get(conn, ip, &v) == PST_OK && v.type == PST_VALUE_ADDR) {
        a = v.u.addr;
        a.port = port < 0 ? a.port : (uint16_t)var_u64(conn, port);
    }
    return a;
}

/* There is no record before the end: what is known now, as far as variables tell. */
static int32_t on_established(struct pst_call *k)
{
    const struct evlog *e = k->inst;
    const int32_t *id = e->opened;
    pst_conn *c = k->conn;
    struct pst_record r = { .size = sizeof(r) };

    if (!e->wants[EVLOG_OPENED]) {
        return PST_NEXT;
    }
    r.conn_id = var_u64(c, id[EVLOG_ID]);
    r.t_accept = var_u64(c, id[EVLOG_START_NS]);
    r.t_end = evlog_host->now_ns();
    r.t_handshake = r.t_end; /* not known: whoever terminates TLS is asked */
    r.wall_start_us = evlog_host->wall_us() - (r.t_end - r.t_accept) / 1000;
    r.listener = var_str(c, id[EVLOG_LISTENER]);
    r.edge = var_str(c, id[EVLOG_EDGE]);
    r.sni = var_str(c, id[EVLOG_SNI]);
    r.upstream_name = var_str(c, id[EVLOG_UPSTREAM_NAME]);
    r.peer = var_addr(c, id[EVLOG_PEER_IP], id[EVLOG_PEER_PORT]);
    r.client = var_addr(c, id[EVLOG_CLIENT_IP], id[EVLOG_CLIENT_PORT]);
    r.local = var_addr(c, id[EVLOG_LOCAL_IP], id[EVLOG_LOCAL_PORT]);
    r.upstream = var_addr(c, id[EVLOG_UPSTREAM_ADDR], -1);
    emit(e, EVLOG_OPENED, &r, c);
    return PST_NEXT;
}

static void instance_free(struct evlog *e)
{
    if (e != NULL && e->sink != NULL) {
        evlog_sinks->close(e->sink);
    }
    free(e);
}

static int32_t init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    struct evlog *e = calloc(1, sizeof(*e));
    int32_t rc;

    if (e == NULL) {
        return PST_ERR_NOMEM;
    }
    e->self = self;
    rc = evlog_configure(e, cfg);
    if (rc != PST_OK) {
        instance_free(e);
        return rc;
    }
    *inst = e;
    return PST_OK;
}

static int32_t link_up(void *inst)
{
    struct evlog *e = inst;

    fields_bind(e);
    for (int i = 0; e->wants[EVLOG_OPENED] && i < EVLOG_OPENED_VARS; i++) {
        e->opened[i] = evlog_host->var_id(opened_vars[i]);
    }
    return PST_OK;
}

static void fini(void *inst)
{
    instance_free(inst);
}

static int32_t load(const struct pst_host *host)
{
    evlog_host = host;
    evlog_sinks = host->get_service(PST_LOG_SINK);
    metrics.logged = host->metric_define(EVLOG_NAME, "events", "events given to their sinks",
                                         PST_METRIC_COUNTER);
    metrics.lost = host->metric_define(EVLOG_NAME, "lost", "events that a full buffer lost",
                                       PST_METRIC_COUNTER);
    record_setup();
    if (evlog_sinks == NULL || evlog_sinks->size < sizeof(*evlog_sinks) ||
        !PST_HAS(host, conn_twin)) {
        return PST_ERR_UNSUPPORTED;
    }
    return metrics.logged < 0 || metrics.lost < 0 ? PST_ERR : PST_OK;
}

static const struct pst_hooks hooks = {
    .size = sizeof(hooks),
    .init = init,
    .link = link_up,
    .on_established = on_established,
    .on_close = on_close,
    .fini = fini,
};

static const struct pst_module module = {
    PST_MODULE_HEAD(1, 0),
    .name = EVLOG_NAME,
    .version = "1.0.0",
    .scopes = PST_SCOPE_LISTENER | PST_SCOPE_EDGE,
    .n_options = EVLOG_N_OPTIONS,
    .option_size = sizeof(struct pst_option),
    .options = evlog_options,
    .hooks = &hooks,
    .load = load,
};

const struct pst_module *postern_module_v1(void)
{
    return &module;
}
