/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What fields there are. A new one is a line in this table, and in the manual. */
#include "fields.h"

#include <stddef.h>
#include <string.h>

#include <services/tls_info.h>

#define IPR "ip-restrictions"

const struct field_group field_groups[N_GROUPS] = {
    [G_OBJECT] = { NULL, NULL, G_OBJECT },
    [G_CONN] = { "conn", "conn", G_OBJECT },
    [G_IP_POLICY] = { "ip_policy", "ip_policy", G_OBJECT },
    [G_TLS] = { "tls", "tls", G_OBJECT },
    [G_OFFERED] = { "tls.offered", "offered", G_TLS },
    [G_CLIENT] = { "tls.client", "client", G_TLS },
    [G_UPSTREAM] = { "upstream", "upstream", G_OBJECT },
    [G_TIMING] = { "timing", "timing", G_OBJECT },
    [G_CLOSE] = { "close", "close", G_OBJECT },
};

#define AT(member)        .at = offsetof(struct pst_record, member)
#define TO(member)        .to = offsetof(struct pst_record, member)
#define VAR(name_, most_) .from = FROM_VAR, .var = (name_), .most = (most_)
/* Of the terminator: nothing is there before the handshake is done (tls_info.h). */
#define TLS(name_, most_) VAR(name_, most_), AT(t_handshake)

const struct field fields[EVLOG_FIELDS_MAX] = {
    { "conn.id", G_CONN, FROM_ID, AT(conn_id), .opened = true },
    { "conn.start_ts", G_CONN, FROM_START, .at = 0, .opened = true },
    { "conn.end_ts", G_CONN, FROM_END, .at = 0 },
    { "conn.client_ip", G_CONN, FROM_IP, AT(client), .opened = true },
    { "conn.client_port", G_CONN, FROM_PORT, AT(client), .opened = true },
    { "conn.peer_ip", G_CONN, FROM_IP, AT(peer), .opened = true },
    { "conn.peer_port", G_CONN, FROM_PORT, AT(peer), .opened = true },
    { "conn.server_ip", G_CONN, FROM_IP, AT(local), .opened = true },
    { "conn.server_port", G_CONN, FROM_PORT, AT(local), .opened = true },
    { "conn.server_name", G_CONN, FROM_STR, AT(sni), .most = NAME_MAX_, .opened = true },
    { "conn.bytes_in", G_CONN, FROM_U64, AT(client_in) },
    { "conn.bytes_out", G_CONN, FROM_U64, AT(client_out) },
    { "edge", G_OBJECT, FROM_STR, AT(edge), .most = NAME_MAX_, .opened = true },
    { "listener", G_OBJECT, FROM_STR, AT(listener), .most = NAME_MAX_, .opened = true },
    { "worker", G_OBJECT, FROM_U32, AT(worker) },
    { "generation", G_OBJECT, FROM_U64, AT(generation) },
    { "ip_policy.decision", G_IP_POLICY, VAR(IPR ".decision", SHORT_MAX), .opened = true },
    { "ip_policy.matched_cidr", G_IP_POLICY, VAR(IPR ".matched_cidr", SHORT_MAX), .opened = true },
    { "ip_policy.enforced", G_IP_POLICY, VAR(IPR ".enforced", 0), .opened = true },
    { "ja4_fingerprint", G_OBJECT, VAR(PST_VAR_TLS_JA4, SHORT_MAX), .opened = true },
    { "tls.offered.versions", G_OFFERED, FROM_LIST, .var = PST_VAR_TLS_VERSIONS_OFFERED,
      .most = NAME_MAX_, .opened = true },
    { "tls.offered.alpn", G_OFFERED, FROM_LIST, .var = PST_VAR_TLS_ALPN_OFFERED, .most = TEXT_MAX,
      .opened = true },
    { "tls.offered.ech", G_OFFERED, VAR(PST_VAR_TLS_ECH_OFFERED, 0), .opened = true },
    { "tls.version", G_TLS, TLS(PST_VAR_TLS_VERSION, SHORT_MAX), .opened = true },
    { "tls.cipher_suite", G_TLS, TLS(PST_VAR_TLS_CIPHER, SHORT_MAX), .opened = true },
    { "tls.alpn", G_TLS, TLS(PST_VAR_TLS_ALPN, NAME_MAX_), .opened = true },
    { "tls.group", G_TLS, TLS(PST_VAR_TLS_GROUP, SHORT_MAX), .opened = true },
    { "tls.resumed", G_TLS, TLS(PST_VAR_TLS_RESUMED, 0), .opened = true },
    { "tls.client.subject", G_CLIENT, TLS(PST_VAR_TLS_PEER_SUBJECT, TEXT_MAX), .opened = true },
    { "tls.client.issuer", G_CLIENT, TLS(PST_VAR_TLS_PEER_ISSUER, TEXT_MAX), .opened = true },
    { "tls.client.serial_number", G_CLIENT, TLS(PST_VAR_TLS_PEER_SERIAL, SHORT_MAX),
      .opened = true },
    { "tls.client.san", G_CLIENT, FROM_LIST, AT(t_handshake), .var = PST_VAR_TLS_PEER_SAN,
      .most = LIST_MAX, .opened = true },
    { "tls.client.sha256", G_CLIENT, TLS(PST_VAR_TLS_PEER_CERT_SHA256, 0), .opened = true },
    { "tls.client.spki_sha256", G_CLIENT, TLS(PST_VAR_TLS_PEER_SPKI_SHA256, 0), .opened = true },
    { "tls.client.verified", G_CLIENT, TLS(PST_VAR_TLS_PEER_VERIFIED, 0), .opened = true },
    { "tls.client.not_after", G_CLIENT, FROM_TIME, AT(t_handshake),
      .var = PST_VAR_TLS_PEER_NOT_AFTER, .opened = true },
    { "upstream.address", G_UPSTREAM, FROM_TARGET, .most = NAME_MAX_, .opened = true },
    { "upstream.tries", G_UPSTREAM, FROM_COUNT, AT(tries) },
    { "upstream.tls_version", G_UPSTREAM, VAR(PST_VAR_UPSTREAM_TLS_VERSION, SHORT_MAX),
      .opened = true },
    { "timing.hello_us", G_TIMING, FROM_SPAN, AT(t_accept), TO(t_hello) },
    { "timing.handshake_us", G_TIMING, FROM_SPAN, AT(t_hello), TO(t_handshake) },
    { "timing.connect_us", G_TIMING, FROM_SPAN, AT(t_connect_start), TO(t_connected) },
    { "timing.first_byte_us", G_TIMING, FROM_SPAN, AT(t_accept), TO(t_first_byte) },
    { "timing.total_us", G_TIMING, FROM_SPAN, AT(t_accept), TO(t_end) },
    { "close.reason", G_CLOSE, FROM_REASON, AT(reason) },
    { "close.side", G_CLOSE, FROM_SIDE, AT(side) },
    { "close.module", G_CLOSE, FROM_STR, AT(module), .most = SHORT_MAX },
    { "close.stage", G_CLOSE, FROM_STAGE, AT(stage) },
    { "close.code", G_CLOSE, FROM_STR, AT(code), .most = SHORT_MAX },
    { "close.text", G_CLOSE, FROM_STR, AT(text), .most = TEXT_MAX },
    { "close.error", G_CLOSE, FROM_ERRNO, AT(sys_errno) },
    { "close.alert_sent", G_CLOSE, FROM_ALERT, AT(alert_sent) },
    { "close.alert_received", G_CLOSE, FROM_ALERT, AT(alert_received) },
    { "close.truncated", G_CLOSE, FROM_BOOL, AT(truncated) },
    { "shadow", G_OBJECT, FROM_SHADOW, .at = 0 },
};

/* True when `name` is `group`, or stands in it. */
static bool within(enum group g, const char *name)
{
    for (; g != G_OBJECT; g = field_groups[g].in) {
        if (strcmp(field_groups[g].name, name) == 0) {
            return true;
        }
    }
    return false;
}

uint64_t fields_mask(const char *name)
{
    uint64_t mask = 0;

    for (size_t i = 0; i < EVLOG_FIELDS_MAX && fields[i].name != NULL; i++) {
        if (strcmp(fields[i].name, name) == 0 || within(fields[i].in, name)) {
            mask |= UINT64_C(1) << i;
        }
    }
    return mask;
}

void fields_bind(struct evlog *e)
{
    for (uint8_t i = 0; i < EVLOG_FIELDS_MAX && fields[i].name != NULL; i++) {
        if ((e->fields >> i & 1) == 0) {
            continue;
        }
        if (fields[i].var != NULL && (e->vars[i] = evlog_host->var_id(fields[i].var)) < 0) {
            continue;
        }
        for (int what = 0; what < EVLOG_EVENTS; what++) {
            if (what != EVLOG_OPENED || fields[i].opened) {
                e->list[what].at[e->list[what].n++] = i;
            }
        }
    }
}
