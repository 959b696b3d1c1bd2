/* SPDX-License-Identifier: GPL-2.0-or-later */
/* proxy-protocol: what its files share beside the wire format. */
#ifndef PROXY_H
#define PROXY_H

#include "wire.h"

#define PROXY_NAME "proxy-protocol"

/* What an edge may add to a header of version 2. */
enum {
    PROXY_ADD_AUTHORITY = 1u << 0,
    PROXY_ADD_ALPN = 1u << 1,
    PROXY_ADD_SSL = 1u << 2,
    PROXY_ADD_CLIENT_CERT = 1u << 3,
    PROXY_ADD_UNIQUE_ID = 1u << 4,
    PROXY_ADD_CRC32C = 1u << 5
};

/* Variables of others that an edge reads. */
enum proxy_var {
    PROXY_VAR_SNI,
    PROXY_VAR_ALPN,
    PROXY_VAR_VERSION,
    PROXY_VAR_CIPHER,
    PROXY_VAR_GROUP,
    PROXY_VAR_SIG_ALG,
    PROXY_VAR_KEY_ALG,
    PROXY_VAR_RESUMED,
    PROXY_VAR_VERIFIED,
    PROXY_VAR_PEER_CN,
    PROXY_VAR_PEER_DIGEST,
    PROXY_VAR_PEER_DER,
    PROXY_VAR_COUNT
};

/* An instance: of a listener or of an edge. Read-only once link() has returned. */
struct proxy {
    struct pst_net *accept; /* listener; owned */
    uint32_t n_accept;
    bool accept_unix;
    uint32_t send;                 /* edge: 1 or 2                             */
    uint32_t add;                  /* edge: PROXY_ADD_*                        */
    uint8_t forward[256];          /* edge: by type, 1: received ones go on    */
    int32_t vars[PROXY_VAR_COUNT]; /* ids; negative: nobody has it    */
};

/* Set in load(), read-only afterwards. */
extern const struct pst_host *proxy_host;

/* The module's own variables: notes that a received, or a sent, header leaves. */
struct proxy_notes {
    int32_t version, command, dst_ip, dst_port, tlvs, sent_unique_id;
};
extern struct proxy_notes proxy_notes;

/* config.c: the declared options */
#define PROXY_N_OPTIONS 4
extern const struct pst_option proxy_options[PROXY_N_OPTIONS];

/*
 * Read the configuration of an instance; every error is recorded with the host. PST_OK, or
 * PST_ERR_CONFIG / PST_ERR_NOMEM; the caller frees `out` in any case. [main]
 */
int32_t proxy_configure(pst_instance *self, const pst_cfg *cfg, struct proxy *out);
/* Free an instance; NULL is fine. [main] */
void proxy_free(struct proxy *p);

/* vars.c: register the variables of received headers, in load(). PST_OK or an error. [main] */
int32_t proxy_vars_register(void);
/* The TLVs of the header this connection began with; empty without one. Borrowed. [worker] */
struct pst_str proxy_received_tlvs(pst_conn *conn);

/* inbound.c, outbound.c: the hooks; metrics in load() and ids in link(). */
int32_t proxy_inbound_load(void);
int32_t proxy_on_preface(struct pst_call *k);
int32_t proxy_outbound_load(void);
void proxy_outbound_link(struct proxy *p);
int32_t proxy_on_upstream_ready(struct pst_call *k);

#endif
