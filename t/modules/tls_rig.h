/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of the TLS modules share: a built module in the fake host, and wolfSSL's client.
 */
#ifndef POSTERN_T_MODULES_TLS_RIG_H
#define POSTERN_T_MODULES_TLS_RIG_H

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <stdbool.h>

#include <check.h>

#include "fake_host.h"
#include "mem_stream.h"
#include "services/tls_client_auth.h"

#define EDGE       "terminate_at = \"edge\"; "
#define CERT(c, k) "certificates = ({ certificate = \"%s/" c "\"; key = \"%s/" k "\"; }); "
#define GOOD       EDGE CERT("a.pem", "a.key")

extern struct fake_host *rig_host;
/* Folder of the certificates. */
extern char rig_certs[256];

/* Its file is this with ".so"; "tls-termination" unless set before rig_main(). */
extern const char *rig_module;
/* Fixtures: a fresh host with the module. */
void rig_setup(void);
void rig_teardown(void);
/* An instance; "%s" in its configuration is the folder of the certificates. NULL: refused. */
struct fake_inst *rig_make(const char *config);

/* A module of the test that judges client certificates: what it wants and answers, what it saw. */
extern struct pst_tls_client_auth rig_wish;
extern int rig_asked;
extern uint32_t rig_answer;
extern char rig_seen[512];

/* A hello that offers TLS 1.2 and 1.3 and all that the client below can do. */
extern const struct pst_hello rig_hello;

/* Both ends of a connection. */
struct pair {
    struct fake_inst *term, *auth;
    pst_conn *conn;
    struct mem_stream *wire;
    const struct pst_stream_ops *ops;
    void *ctx;
    WOLFSSL_CTX *client_ctx;
    WOLFSSL *client;
};

/* mode: PST_TLS_AUTH_*, 0: nobody asks; cert: the client's, NULL: none. Not shaken yet. */
struct pair pair_start(const char *config, bool tls13, uint32_t mode, const char *cert);
/* What the server's handshake came to; the client's goes as far as it can. */
int32_t pair_shake(struct pair *p);
void pair_stop(struct pair *p);
/* What the client read last: an alert's number, or -1. */
int pair_alert(struct pair *p);

/*
 * The main() of such a test: makes certificates and the files of `script` (a shell's, in their
 * folder), runs the cases that `add` adds, and answers the exit status.
 */
int rig_main(const char *name, const char *script, void (*add)(TCase *t));

#endif
