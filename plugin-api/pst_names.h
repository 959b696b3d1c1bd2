/* SPDX-License-Identifier: MIT */
/*
 * Numbers as the log, the events and posternctl name them. Compiled into the module: a number that
 * came after it was built has no name.
 */
#ifndef PST_NAMES_H
#define PST_NAMES_H

#include "pst_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "client_fin" for PST_END_CLIENT_FIN, and so on; NULL: no such reason. Static. [any] */
static inline const char *pst_end_name(uint32_t reason)
{
    static const char *const names[] = {
        0,
        "client_fin",
        "upstream_fin",
        "idle",
        "denied",
        "hello_timeout",
        "bad_hello",
        "hello_too_large",
        "no_sni",
        "unknown_sni",
        "not_tls",
        "handshake_failed",
        "handshake_timeout",
        "connect_failed",
        "upstream_tls_failed",
        "reset",
        "drained",
        "killed",
        "overload",
        "internal",
    };

    return reason < sizeof(names) / sizeof(names[0]) ? names[reason] : 0;
}

/* "on_accept" for PST_STAGE_ACCEPT, and so on; NULL: no such stage. Static. [any] */
static inline const char *pst_stage_name(uint32_t stage)
{
    static const char *const names[] = {
        0,
        "on_accept",
        "on_preface",
        "on_client_hello",
        "on_admit",
        "on_transport",
        "on_handshake_done",
        "on_upstream",
        "on_upstream_ready",
        "on_established",
        "on_close",
        "conn_fini",
    };

    return stage < sizeof(names) / sizeof(names[0]) ? names[stage] : 0;
}

/* "client" for PST_SIDE_CLIENT, "upstream" for PST_SIDE_UPSTREAM, else "proxy". Static. [any] */
static inline const char *pst_side_name(uint32_t side)
{
    return side == PST_SIDE_CLIENT ? "client" : side == PST_SIDE_UPSTREAM ? "upstream" : "proxy";
}

#ifdef __cplusplus
}
#endif

#endif
