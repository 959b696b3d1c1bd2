/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One function per public struct, so that abidiff sees them all: types that cross only behind a
 * void pointer are invisible to it. Compiled with -g and compared with witness-1.abi.
 */
#include <postern_module.h>
#include <services/log_sink.h>
#include <services/tls_client_auth.h>

#define WITNESS(s)                                                                                 \
    PST_EXPORT uint32_t witness_##s(const struct s *p);                                            \
    uint32_t witness_##s(const struct s *p)                                                        \
    {                                                                                              \
        return p != NULL;                                                                          \
    }

WITNESS(pst_str)
WITNESS(pst_iov)
WITNESS(pst_addr)
WITNESS(pst_net)
WITNESS(pst_value)
WITNESS(pst_option)
WITNESS(pst_stream_ops)
WITNESS(pst_filter_ops)
WITNESS(pst_call)
WITNESS(pst_preface)
WITNESS(pst_hello)
WITNESS(pst_shadow)
WITNESS(pst_record)
WITNESS(pst_hooks)
WITNESS(pst_module)
WITNESS(pst_scope)
WITNESS(pst_inject)
WITNESS(pst_upstream_target)
WITNESS(pst_host)
WITNESS(pst_san)
WITNESS(pst_peer_cert)
WITNESS(pst_tls_client_auth)
WITNESS(pst_log_sink)
