/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a received header said, as variables. A header leaves its TLVs behind as one note; the
 * variables find their own part in it when somebody asks.
 */
#include "proxy.h"

#include <stdio.h>

struct proxy_notes proxy_notes;

/* A part of the TLVs, and the variable that shows it. */
struct part {
    const char *name;
    uint32_t type; /* PST_VALUE_*                                    */
    uint8_t tlv;   /* PROXY_TLV_*                                    */
    uint8_t inner; /* PROXY_SSL_*, inside PROXY_TLV_SSL; 0: the TLV  */
};

static const struct part parts[] = {
    { PROXY_NAME ".authority", PST_VALUE_STR, PROXY_TLV_AUTHORITY, 0 },
    { PROXY_NAME ".alpn", PST_VALUE_STR, PROXY_TLV_ALPN, 0 },
    { PROXY_NAME ".unique_id", PST_VALUE_STR, PROXY_TLV_UNIQUE_ID, 0 },
    { PROXY_NAME ".netns", PST_VALUE_STR, PROXY_TLV_NETNS, 0 },
    { PROXY_NAME ".ssl.version", PST_VALUE_STR, PROXY_TLV_SSL, PROXY_SSL_VERSION },
    { PROXY_NAME ".ssl.cn", PST_VALUE_STR, PROXY_TLV_SSL, PROXY_SSL_CN },
    { PROXY_NAME ".ssl.cipher", PST_VALUE_STR, PROXY_TLV_SSL, PROXY_SSL_CIPHER },
    { PROXY_NAME ".ssl.sig_alg", PST_VALUE_STR, PROXY_TLV_SSL, PROXY_SSL_SIG_ALG },
    { PROXY_NAME ".ssl.key_alg", PST_VALUE_STR, PROXY_TLV_SSL, PROXY_SSL_KEY_ALG },
    { PROXY_NAME ".ssl.group", PST_VALUE_STR, PROXY_TLV_SSL, PROXY_SSL_GROUP },
    { PROXY_NAME ".ssl.sig_scheme", PST_VALUE_STR, PROXY_TLV_SSL, PROXY_SSL_SIG_SCHEME },
    { PROXY_NAME ".ssl.client_cert", PST_VALUE_BYTES, PROXY_TLV_SSL, PROXY_SSL_CLIENT_CERT },
};

/* The fixed fields of PROXY_TLV_SSL. */
static const struct part ssl_client = { PROXY_NAME ".ssl.client", PST_VALUE_U64, PROXY_TLV_SSL, 0 };
static const struct part ssl_verify = { PROXY_NAME ".ssl.verify", PST_VALUE_U64, PROXY_TLV_SSL, 0 };

/* Those of applications, "proxy-protocol.tlv.e0" to "tlv.ef". Written once, in load(). */
#define N_CUSTOM (PROXY_TLV_CUSTOM_LAST - PROXY_TLV_CUSTOM + 1)
static struct part customs[N_CUSTOM];
static char custom_names[N_CUSTOM][sizeof(PROXY_NAME ".tlv.e0")];

struct pst_str proxy_received_tlvs(pst_conn *conn)
{
    struct pst_value v = { 0 };

    if (proxy_host->var_get(conn, proxy_notes.tlvs, &v) != PST_OK || v.type != PST_VALUE_BYTES) {
        return (struct pst_str){ "", 0 };
    }
    return v.u.str;
}

static int32_t get_part(void *ctx, pst_conn *conn, struct pst_value *value)
{
    const struct part *part = ctx;
    struct pst_str s;

    if (!proxy_tlv_find(proxy_received_tlvs(conn), part->tlv, &s) ||
        (part->inner != 0 && !proxy_tlv_find(proxy_ssl_area(s), part->inner, &s))) {
        return PST_OK;
    }
    value->type = part->type;
    value->u.str = s;
    return PST_OK;
}

static int32_t get_ssl(void *ctx, pst_conn *conn, struct pst_value *value)
{
    struct pst_str s;

    /* The parser has seen to it that the fixed fields are there. */
    if (proxy_tlv_find(proxy_received_tlvs(conn), PROXY_TLV_SSL, &s)) {
        value->type = PST_VALUE_U64;
        value->u.u64 = ctx == &ssl_client ? (uint8_t)s.p[0] : proxy_get32(s.p + 1);
    }
    return PST_OK;
}

static int32_t only_notes(void *ctx, pst_conn *conn, struct pst_value *value)
{
    (void)ctx;
    (void)conn;
    (void)value;
    return PST_OK;
}

/* False: refused. */
static bool add(const struct part *part, pst_var_get get)
{
    return proxy_host->var_register(PROXY_NAME, part->name, part->type, get,
                                    (void *)(uintptr_t)part) >= 0;
}

static bool note(int32_t *id, const char *name, uint32_t type)
{
    *id = proxy_host->var_register(PROXY_NAME, name, type, only_notes, NULL);
    return *id >= 0;
}

int32_t proxy_vars_register(void)
{
    struct proxy_notes *n = &proxy_notes;
    bool good = note(&n->version, PROXY_NAME ".version", PST_VALUE_U64) &&
                note(&n->command, PROXY_NAME ".command", PST_VALUE_STR) &&
                note(&n->dst_ip, PROXY_NAME ".dst_ip", PST_VALUE_ADDR) &&
                note(&n->dst_port, PROXY_NAME ".dst_port", PST_VALUE_U64) &&
                note(&n->tlvs, PROXY_NAME ".tlvs", PST_VALUE_BYTES) &&
                note(&n->sent_unique_id, PROXY_NAME ".sent_unique_id", PST_VALUE_STR) &&
                add(&ssl_client, get_ssl) && add(&ssl_verify, get_ssl);

    for (size_t i = 0; good && i < sizeof(parts) / sizeof(parts[0]); i++) {
        good = add(&parts[i], get_part);
    }
    for (unsigned i = 0; good && i < N_CUSTOM; i++) {
        snprintf(custom_names[i], sizeof(custom_names[i]), PROXY_NAME ".tlv.%02x",
                 PROXY_TLV_CUSTOM + i);
        customs[i] =
            (struct part){ custom_names[i], PST_VALUE_BYTES, (uint8_t)(PROXY_TLV_CUSTOM + i), 0 };
        good = add(&customs[i], get_part);
    }
    return good ? PST_OK : PST_ERR;
}
