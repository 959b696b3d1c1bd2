/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls-termination: TLS ends here. An instance has one WOLFSSL_CTX per certificate, made once and
 * never changed again; which one serves a connection is decided from the parsed hello before the
 * WOLFSSL exists. Sessions are resumed by tickets only, and only under the policy that issued them.
 */
#ifndef POSTERN_MODULES_TERM_H
#define POSTERN_MODULES_TERM_H

#include <stdatomic.h>

#include "services/tls_client_auth.h"
#include "tls-common/tls_common.h"
#include "tls-common/tls_expiry.h"

#define TERM_NAME       "tls-termination"
#define TERM_NAME_MAX   256 /* of a host name, with room for its end */
#define TERM_DIGEST     32
#define TERM_AUTH_DEPTH 4
/* Suites that the library takes in a hello: 150 when it was built without a word about it. */
#ifdef WOLFSSL_MAX_SUITE_SZ
#define TERM_CLIENT_SUITES (WOLFSSL_MAX_SUITE_SZ / 2)
#else
#define TERM_CLIENT_SUITES 150
#endif

/* The host, set once in load(), read-only afterwards. */
extern const struct pst_host *term_host;

struct term_peer;
struct ticket_ring;

/* --- instance --------------------------------------------------------------------------------- */

/* What tickets are bound to, and the keys; one per instance, shared by its contexts. */
struct term_tickets {
    struct ticket_ring *ring;
    uint8_t policy[TERM_DIGEST];
    uint32_t lifetime; /* seconds */
};

/* An OCSP response in DER. */
struct term_staple {
    uint8_t *der; /* NULL: none */
    size_t n;
    uint64_t until; /* Unix time */
};

/* A certificate with its context, which is made once and never changed again. */
struct term_cert {
    char *path;
    struct tls_cred cred;
    WOLFSSL_CTX *ctx;
    struct term_staple staple;
    char key_name[16]; /* "RSA2048" */
};

/* A name, or "*.name", of a certificate; the empty name is for clients that no other suits. */
struct term_name {
    const char *p; /* in the certificate */
    uint32_t n;
    uint32_t cert; /* index */
};

struct term_certs {
    struct term_cert *all;
    uint32_t n, room;
    struct term_name *names; /* sorted: names, and for each name the best certificate first */
    uint32_t n_names;
};

/* Authorities and, where each session has its own record, revocation lists, as DER. */
struct term_trust {
    DerBuffer **ca, **crl;
    struct tls_der *anchors; /* the subject of each authority, in ca */
    uint32_t n_ca, n_crl;
};

/* What the modules that judge client certificates ask for, all of them together. */
struct term_auth {
    const struct pst_tls_client_auth **all; /* in the order of the chain; borrowed */
    uint32_t n;
    uint32_t depth;
    uint32_t mode;        /* PST_TLS_AUTH_*: the strictest; 0: nobody asks */
    bool chain_must_hold; /* a certificate that is given has to verify */
    struct term_trust trust;
};

struct term {
    pst_instance *self;
    bool here; /* terminate_at = "edge" */
    struct tls_params params;
    struct term_certs certs;
    struct tls_alpn alpn;
    bool tickets_on;
    struct term_tickets tickets;
    struct term_auth auth;
    struct tls_expiry expiry; /* of certs */
};

/* --- config.c --------------------------------------------------------------------------------- */

#define TERM_N_OPTIONS 12
extern const struct pst_option term_options[TERM_N_OPTIONS];

/* Fill `t` from its configuration. All errors are reported. PST_OK or PST_ERR_*. [main] */
int32_t term_configure(struct term *t, const pst_cfg *cfg);

/* Report an error at this place of the configuration; answers PST_ERR_CONFIG. [main] */
#define term_wrong(node, ...) cfg_wrong(term_host, node, __VA_ARGS__)

/* --- certs.c ---------------------------------------------------------------------------------- */

/* Read "certificates" and "certificate_dir". All errors are reported. PST_OK or an error. [main] */
int32_t certs_configure(struct term *t, const pst_cfg *cfg);
/*
 * Read one pair, and an OCSP response unless that is NULL; what is wrong is reported at `node`.
 * PST_OK or PST_ERR_*. [main]
 */
int32_t certs_add(struct term_certs *s, const pst_cfg *node, const char *cert, const char *key,
                  const char *ocsp);
/* The certificates for exactly this name: how many, the best one at *at. Lower case. [worker] */
uint32_t certs_find(const struct term_certs *s, const char *name, size_t n,
                    const struct term_name **at);
void certs_free(struct term_certs *s);

/* --- cert_dir.c ------------------------------------------------------------------------------- */

/*
 * Add the pairs of a folder in the order of their names, but default ones first. *n_default is how
 * many of those there are. All errors are reported. PST_OK or PST_ERR_*. [main]
 */
int32_t cert_dir_read(struct term_certs *s, const pst_cfg *node, const char *dir,
                      uint32_t *n_default);

/* --- staple.c --------------------------------------------------------------------------------- */

/*
 * Read a response about `c`; one that is of no use draws a warning only. PST_OK or an error. [main]
 */
int32_t staple_read(struct term_cert *c, const pst_cfg *node, const char *path);
void staple_free(struct term_staple *s);
/* Prepare the context of its certificate; `s` must live as long. 0 or -1. [main] */
int staple_apply(struct term_staple *s, WOLFSSL_CTX *ctx);
/* Before the handshake of a client. [worker] */
void staple_offer(const struct term_staple *s, WOLFSSL *ssl);

/* --- ctx.c ------------------------------------------------------------------------------------ */

/* Make the contexts once everything is known. PST_OK, or PST_ERR with a line in the log. [main] */
int32_t term_contexts(struct term *t);

/* --- choose.c --------------------------------------------------------------------------------- */

/* The certificate that suits a client best; never NULL. [worker] */
const struct term_cert *term_choose(const struct term *t, const struct pst_hello *hello);
/*
 * The alert for a client that has no version or group in common with us, falls back, or names too
 * many suites, and why; 0: none. wolfSSL would answer some of them with something else, or ask for
 * a group already offered. [worker]
 */
uint8_t term_refuses(const struct term *t, const struct pst_hello *hello, const char **why);
/* The first protocol of ours that the client offers; -1: none. [worker] */
int term_choose_alpn(const struct term *t, const struct pst_hello *hello);

/* --- ticket_keys.c ---------------------------------------------------------------------------- */

#define TICKET_KEY_NAME 16
#define TICKET_KEYS_MAX 16

struct ticket_key {
    uint8_t name[TICKET_KEY_NAME];
    uint8_t key[32];
    uint64_t since; /* seconds; 0: no key */
};

/*
 * Keys from the bytes of a file: 48 or 80 of them are one, or else lines of base64 are one each.
 * The number of keys; 0 with a sentence's end in *why. [any]
 */
uint32_t ticket_keys_parse(const uint8_t *p, size_t n, struct ticket_key out[TICKET_KEYS_MAX],
                           const char **why);
/* A ring with the keys of a file; NULL with a sentence in `why`. [main] */
struct ticket_ring *ticket_keys_read(const char *path, char *why, size_t n);

/* --- tickets.c -------------------------------------------------------------------------------- */

/* A ring with its first key; NULL: out of memory or of randomness. Counted. [main] */
struct ticket_ring *ticket_ring_new(void);
/* A ring of given keys, of which the first seals; they never change. NULL: out of memory. [main] */
struct ticket_ring *ticket_ring_of(const struct ticket_key *keys, uint32_t n);
/* Do the keys change by themselves? */
bool ticket_ring_rotates(const struct ticket_ring *r);
struct ticket_ring *ticket_ring_ref(struct ticket_ring *r);
void ticket_ring_unref(struct ticket_ring *r);
/* Let a context issue and take tickets; `k` must live as long as the context. 0 or -1. [main] */
int tickets_apply(struct term_tickets *k, WOLFSSL_CTX *ctx);
/* Let it issue none and take none. 0 or -1. [main] */
int tickets_refuse(WOLFSSL_CTX *ctx);
/* Seal and open in place, as wolfSSL's callback does: WOLFSSL_TICKET_RET_*. For tests too. [any] */
int tickets_crypt(const struct term_tickets *k, uint8_t name[16], uint8_t iv[16], uint8_t mac[32],
                  bool seal, uint8_t *ticket, size_t n, uint64_t now);

/* --- client_auth.c ---------------------------------------------------------------------------- */

/* Collect who judges client certificates on this edge. PST_OK or PST_ERR_*. [main] */
int32_t auth_collect(struct term *t);
void auth_free(struct term_auth *a);
/* Ask for certificates in a context. 0, or -1 with a line in the log. [main] */
int auth_apply(const struct term *t, WOLFSSL_CTX *ctx);

/* --- trust.c ---------------------------------------------------------------------------------- */

/*
 * Read the files of a contributor; what is for a record of each session's own has to be small.
 * PST_OK, or an error, perhaps with a sentence in `why`. [main]
 */
int32_t trust_read(struct term_trust *t, const struct pst_tls_client_auth *p, bool own_record,
                   char *why, size_t n);
void trust_free(struct term_trust *t);
/* Let a session judge by these and by no authority that another client has shown. 0 or -1. */
int trust_apply(const struct term_trust *t, WOLFSSL *ssl);
/* Does a chain, leaf first, lead to an authority of ours with all that is between shown? */
bool trust_chain_is_whole(const struct term_trust *t, const struct pst_str *chain, uint32_t n);

/* --- stream.c --------------------------------------------------------------------------------- */

/* The state of a connection, a block of the host's. */
struct session {
    struct tls_stream tls; /* first: see there */
    struct term *term;
    const struct term_cert *cert; /* what it is served with */
    struct tls_facts facts;
    struct pst_str alpn;    /* n 0: none; points into the instance */
    struct term_peer *peer; /* a certificate that was judged, NULL: none */
    uint32_t engine_error;  /* first complaint about the client's chain, 0: none */
    uint8_t alert;          /* a contributor's wish, 0: none */
    uint32_t judged_error;  /* engine_error when the certificate was judged */
    bool judged, verified;  /* the client's certificate was looked at; its chain holds */
    bool agreed;            /* the contributors have accepted it */
};

/* Stack the session's stream; its term and tls.conn are set. A verdict. [worker] */
int32_t session_start(struct session *s, const struct pst_hello *hello);

/* --- errors.c --------------------------------------------------------------------------------- */

/*
 * The library has failed in a handshake: make sure that the client gets an alert, and tell the
 * host why. Answers PST_ERR_PROTOCOL, or the error of the stream below. [worker]
 */
int32_t session_failed(struct tls_stream *t, int err);
/* Refuse a client before the library has said anything. Answers PST_ERR_PROTOCOL. [worker] */
int32_t session_refused(struct session *s, uint8_t alert, const char *why);

/* --- peer.c ----------------------------------------------------------------------------------- */

/* A client certificate as other modules see it; lives as long as the connection. */
struct term_peer {
    struct pst_peer_cert cert;
    struct pst_str sans; /* "dns:a,uri:b" */
};

/* Parse; NULL: not readable, or out of memory. [worker] */
struct term_peer *peer_parse(pst_conn *conn, const uint8_t *der, size_t n);

/* --- vars.c ----------------------------------------------------------------------------------- */

/* Register the conn.tls variables; PST_OK or a negative error. In load(). [main] */
int32_t vars_setup(const struct pst_host *host);

#endif
