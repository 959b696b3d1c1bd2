/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Prints the layout of every public struct and the value of every public enumerator, one line
 * each; layout.sh compares it with what 1.0 had. Whoever adds to the ABI adds here.
 */
#include <stdio.h>

#include <postern_module.h>
#include <services/log_sink.h>
#include <services/tls_client_auth.h>

#include "layout.h"

/* A struct that begins with its size, or is walked with a stride, may grow at its end. */
#define GROWS(s)     printf("grows %s %zu\n", #s, sizeof(struct s))
#define FIXED(s)     printf("fixed %s %zu\n", #s, sizeof(struct s))
#define MEMBER(s, m) printf("  %s %zu %zu\n", #m, offsetof(struct s, m), sizeof(((struct s *)0)->m))

static void print_pst_str(void)
{
    FIXED(pst_str);
    MEMBER(pst_str, p);
    MEMBER(pst_str, n);
}

static void print_pst_iov(void)
{
    FIXED(pst_iov);
    MEMBER(pst_iov, p);
    MEMBER(pst_iov, n);
}

static void print_pst_addr(void)
{
    FIXED(pst_addr);
    MEMBER(pst_addr, family);
    MEMBER(pst_addr, reserved);
    MEMBER(pst_addr, port);
    MEMBER(pst_addr, scope);
    MEMBER(pst_addr, ip);
}

static void print_pst_net(void)
{
    FIXED(pst_net);
    MEMBER(pst_net, addr);
    MEMBER(pst_net, prefix);
    MEMBER(pst_net, reserved);
}

static void print_pst_value(void)
{
    FIXED(pst_value);
    MEMBER(pst_value, type);
    MEMBER(pst_value, reserved);
    MEMBER(pst_value, u);
}

static void print_pst_option(void)
{
    GROWS(pst_option);
    MEMBER(pst_option, name);
    MEMBER(pst_option, def);
    MEMBER(pst_option, help);
    MEMBER(pst_option, choices);
    MEMBER(pst_option, sub);
    MEMBER(pst_option, min);
    MEMBER(pst_option, max);
    MEMBER(pst_option, type);
    MEMBER(pst_option, flags);
    MEMBER(pst_option, n_sub);
    MEMBER(pst_option, reserved);
}

static void print_pst_stream_ops(void)
{
    GROWS(pst_stream_ops);
    MEMBER(pst_stream_ops, size);
    MEMBER(pst_stream_ops, reserved);
    MEMBER(pst_stream_ops, handshake);
    MEMBER(pst_stream_ops, read);
    MEMBER(pst_stream_ops, write);
    MEMBER(pst_stream_ops, flush);
    MEMBER(pst_stream_ops, shutdown_write);
    MEMBER(pst_stream_ops, close);
    MEMBER(pst_stream_ops, direct_fd);
    MEMBER(pst_stream_ops, interest);
}

static void print_pst_filter_ops(void)
{
    GROWS(pst_filter_ops);
    MEMBER(pst_filter_ops, size);
    MEMBER(pst_filter_ops, reserved);
    MEMBER(pst_filter_ops, data);
    MEMBER(pst_filter_ops, detach);
}

static void print_pst_call(void)
{
    GROWS(pst_call);
    MEMBER(pst_call, size);
    MEMBER(pst_call, stage);
    MEMBER(pst_call, inst);
    MEMBER(pst_call, worker_state);
    MEMBER(pst_call, self);
    MEMBER(pst_call, worker);
    MEMBER(pst_call, conn);
    MEMBER(pst_call, state);
    MEMBER(pst_call, arg);
}

static void print_pst_preface(void)
{
    GROWS(pst_preface);
    MEMBER(pst_preface, size);
    MEMBER(pst_preface, eof);
    MEMBER(pst_preface, data);
    MEMBER(pst_preface, len);
    MEMBER(pst_preface, consumed);
}

static void print_pst_hello(void)
{
    GROWS(pst_hello);
    MEMBER(pst_hello, size);
    MEMBER(pst_hello, flags);
    MEMBER(pst_hello, raw);
    MEMBER(pst_hello, sni);
    MEMBER(pst_hello, alpn);
    MEMBER(pst_hello, versions);
    MEMBER(pst_hello, ciphers);
    MEMBER(pst_hello, groups);
    MEMBER(pst_hello, sigalgs);
    MEMBER(pst_hello, extensions);
    MEMBER(pst_hello, n_alpn);
    MEMBER(pst_hello, n_versions);
    MEMBER(pst_hello, n_ciphers);
    MEMBER(pst_hello, n_groups);
    MEMBER(pst_hello, n_sigalgs);
    MEMBER(pst_hello, n_extensions);
    MEMBER(pst_hello, legacy_version);
    MEMBER(pst_hello, reserved);
}

static void print_pst_shadow(void)
{
    FIXED(pst_shadow);
    MEMBER(pst_shadow, module);
    MEMBER(pst_shadow, code);
    MEMBER(pst_shadow, text);
    MEMBER(pst_shadow, stage);
    MEMBER(pst_shadow, reserved);
}

static void print_pst_record(void)
{
    GROWS(pst_record);
    MEMBER(pst_record, size);
    MEMBER(pst_record, reason);
    MEMBER(pst_record, side);
    MEMBER(pst_record, stage);
    MEMBER(pst_record, conn_id);
    MEMBER(pst_record, generation);
    MEMBER(pst_record, listener);
    MEMBER(pst_record, edge);
    MEMBER(pst_record, sni);
    MEMBER(pst_record, peer);
    MEMBER(pst_record, client);
    MEMBER(pst_record, local);
    MEMBER(pst_record, upstream);
    MEMBER(pst_record, upstream_name);
    MEMBER(pst_record, wall_start_us);
    MEMBER(pst_record, t_accept);
    MEMBER(pst_record, t_hello);
    MEMBER(pst_record, t_handshake);
    MEMBER(pst_record, t_connect_start);
    MEMBER(pst_record, t_connected);
    MEMBER(pst_record, t_first_byte);
    MEMBER(pst_record, t_end);
    MEMBER(pst_record, client_in);
    MEMBER(pst_record, client_out);
    MEMBER(pst_record, upstream_in);
    MEMBER(pst_record, upstream_out);
    MEMBER(pst_record, module);
    MEMBER(pst_record, code);
    MEMBER(pst_record, text);
    MEMBER(pst_record, shadow);
    MEMBER(pst_record, n_shadow);
    MEMBER(pst_record, tries);
    MEMBER(pst_record, sys_errno);
    MEMBER(pst_record, alert_sent);
    MEMBER(pst_record, worker);
    MEMBER(pst_record, truncated);
    MEMBER(pst_record, alert_received);
    MEMBER(pst_record, upstream_alert_sent);
    MEMBER(pst_record, upstream_alert_received);
    MEMBER(pst_record, reserved);
    MEMBER(pst_record, t_upstream_ready);
}

static void print_pst_hooks(void)
{
    GROWS(pst_hooks);
    MEMBER(pst_hooks, size);
    MEMBER(pst_hooks, reserved);
    MEMBER(pst_hooks, init);
    MEMBER(pst_hooks, link);
    MEMBER(pst_hooks, adopt);
    MEMBER(pst_hooks, worker_init);
    MEMBER(pst_hooks, worker_fini);
    MEMBER(pst_hooks, on_accept);
    MEMBER(pst_hooks, on_preface);
    MEMBER(pst_hooks, on_client_hello);
    MEMBER(pst_hooks, on_admit);
    MEMBER(pst_hooks, on_transport);
    MEMBER(pst_hooks, on_handshake_done);
    MEMBER(pst_hooks, on_upstream);
    MEMBER(pst_hooks, on_upstream_ready);
    MEMBER(pst_hooks, on_established);
    MEMBER(pst_hooks, on_close);
    MEMBER(pst_hooks, conn_fini);
    MEMBER(pst_hooks, retire);
    MEMBER(pst_hooks, fini);
}

static void print_pst_module(void)
{
    GROWS(pst_module);
    MEMBER(pst_module, magic);
    MEMBER(pst_module, size);
    MEMBER(pst_module, major);
    MEMBER(pst_module, minor_built);
    MEMBER(pst_module, minor_needed);
    MEMBER(pst_module, flags);
    MEMBER(pst_module, name);
    MEMBER(pst_module, version);
    MEMBER(pst_module, scopes);
    MEMBER(pst_module, roles);
    MEMBER(pst_module, conn_state_size);
    MEMBER(pst_module, n_options);
    MEMBER(pst_module, option_size);
    MEMBER(pst_module, reserved);
    MEMBER(pst_module, options);
    MEMBER(pst_module, hooks);
    MEMBER(pst_module, requires_list);
    MEMBER(pst_module, conflicts_list);
    MEMBER(pst_module, after_list);
    MEMBER(pst_module, load);
    MEMBER(pst_module, unload);
}

static void print_pst_scope(void)
{
    FIXED(pst_scope);
    MEMBER(pst_scope, kind);
    MEMBER(pst_scope, reserved);
    MEMBER(pst_scope, owner);
}

static void print_pst_upstream_target(void)
{
    GROWS(pst_upstream_target);
    MEMBER(pst_upstream_target, size);
    MEMBER(pst_upstream_target, flags);
    MEMBER(pst_upstream_target, name);
    MEMBER(pst_upstream_target, host);
    MEMBER(pst_upstream_target, addr);
}

static void print_pst_inject(void)
{
    GROWS(pst_inject);
    MEMBER(pst_inject, size);
    MEMBER(pst_inject, reserved);
    MEMBER(pst_inject, peer);
    MEMBER(pst_inject, local);
}

static void print_pst_host(void)
{
    GROWS(pst_host);
    MEMBER(pst_host, size);
    MEMBER(pst_host, minor);
    MEMBER(pst_host, log_enabled);
    MEMBER(pst_host, log);
    MEMBER(pst_host, cfg_str);
    MEMBER(pst_host, cfg_u64);
    MEMBER(pst_host, cfg_bool);
    MEMBER(pst_host, cfg_duration);
    MEMBER(pst_host, cfg_size);
    MEMBER(pst_host, cfg_net);
    MEMBER(pst_host, cfg_addr);
    MEMBER(pst_host, cfg_path);
    MEMBER(pst_host, cfg_get);
    MEMBER(pst_host, cfg_type);
    MEMBER(pst_host, cfg_count);
    MEMBER(pst_host, cfg_at);
    MEMBER(pst_host, cfg_name);
    MEMBER(pst_host, cfg_shared);
    MEMBER(pst_host, cfg_error);
    MEMBER(pst_host, cfg_warn);
    MEMBER(pst_host, instance_info);
    MEMBER(pst_host, publish);
    MEMBER(pst_host, find_each);
    MEMBER(pst_host, get_service);
    MEMBER(pst_host, var_id);
    MEMBER(pst_host, var_get);
    MEMBER(pst_host, var_register);
    MEMBER(pst_host, note_set);
    MEMBER(pst_host, conn_alloc);
    MEMBER(pst_host, conn_hello);
    MEMBER(pst_host, deny);
    MEMBER(pst_host, set_client_addr);
    MEMBER(pst_host, set_edge);
    MEMBER(pst_host, conn_kill);
    MEMBER(pst_host, suspend);
    MEMBER(pst_host, resume);
    MEMBER(pst_host, resume_any);
    MEMBER(pst_host, ticket_free);
    MEMBER(pst_host, stream_stack);
    MEMBER(pst_host, stream_read);
    MEMBER(pst_host, stream_write);
    MEMBER(pst_host, stream_flush);
    MEMBER(pst_host, stream_shutdown_write);
    MEMBER(pst_host, upstream_claim);
    MEMBER(pst_host, upstream_claim_fd);
    MEMBER(pst_host, upstream_choose);
    MEMBER(pst_host, stream_ready);
    MEMBER(pst_host, prepend);
    MEMBER(pst_host, listener_find);
    MEMBER(pst_host, conn_inject);
    MEMBER(pst_host, filter_attach);
    MEMBER(pst_host, filter_detach);
    MEMBER(pst_host, filter_pass);
    MEMBER(pst_host, filter_drop);
    MEMBER(pst_host, filter_emit);
    MEMBER(pst_host, timer_new);
    MEMBER(pst_host, timer_start);
    MEMBER(pst_host, timer_stop);
    MEMBER(pst_host, timer_free);
    MEMBER(pst_host, watch_new);
    MEMBER(pst_host, watch_change);
    MEMBER(pst_host, watch_free);
    MEMBER(pst_host, offload);
    MEMBER(pst_host, metric_define);
    MEMBER(pst_host, metric_add);
    MEMBER(pst_host, now_ns);
    MEMBER(pst_host, wall_us);
    MEMBER(pst_host, conn_alert);
    MEMBER(pst_host, upstream_target);
    MEMBER(pst_host, conn_twin);
    MEMBER(pst_host, instance_enforces);
}

static void print_pst_san(void)
{
    FIXED(pst_san);
    MEMBER(pst_san, value);
    MEMBER(pst_san, kind);
    MEMBER(pst_san, reserved);
}

static void print_pst_peer_cert(void)
{
    GROWS(pst_peer_cert);
    MEMBER(pst_peer_cert, size);
    MEMBER(pst_peer_cert, n_sans);
    MEMBER(pst_peer_cert, sans);
    MEMBER(pst_peer_cert, der);
    MEMBER(pst_peer_cert, subject);
    MEMBER(pst_peer_cert, subject_cn);
    MEMBER(pst_peer_cert, issuer);
    MEMBER(pst_peer_cert, serial);
    MEMBER(pst_peer_cert, not_before);
    MEMBER(pst_peer_cert, not_after);
    MEMBER(pst_peer_cert, spki_sha256);
    MEMBER(pst_peer_cert, cert_sha256);
}

static void print_pst_tls_client_auth(void)
{
    GROWS(pst_tls_client_auth);
    MEMBER(pst_tls_client_auth, size);
    MEMBER(pst_tls_client_auth, mode);
    MEMBER(pst_tls_client_auth, ca_files);
    MEMBER(pst_tls_client_auth, crl_files);
    MEMBER(pst_tls_client_auth, n_ca_files);
    MEMBER(pst_tls_client_auth, n_crl_files);
    MEMBER(pst_tls_client_auth, depth);
    MEMBER(pst_tls_client_auth, reserved);
    MEMBER(pst_tls_client_auth, policy_digest);
    MEMBER(pst_tls_client_auth, inst);
    MEMBER(pst_tls_client_auth, verify);
}

static void print_pst_log_sink(void)
{
    GROWS(pst_log_sink);
    MEMBER(pst_log_sink, size);
    MEMBER(pst_log_sink, reserved);
    MEMBER(pst_log_sink, open);
    MEMBER(pst_log_sink, close);
    MEMBER(pst_log_sink, write);
    MEMBER(pst_log_sink, dropped);
    MEMBER(pst_log_sink, tell_lost);
}

int main(void)
{
    print_pst_str();
    print_pst_iov();
    print_pst_addr();
    print_pst_net();
    print_pst_value();
    print_pst_option();
    print_pst_stream_ops();
    print_pst_filter_ops();
    print_pst_call();
    print_pst_preface();
    print_pst_hello();
    print_pst_shadow();
    print_pst_record();
    print_pst_hooks();
    print_pst_module();
    print_pst_scope();
    print_pst_inject();
    print_pst_upstream_target();
    print_pst_host();
    print_pst_san();
    print_pst_peer_cert();
    print_pst_tls_client_auth();
    print_pst_log_sink();
    layout_print_values();
    return 0;
}
