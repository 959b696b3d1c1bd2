/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * upstream-tls: TLS to the upstream. An instance has one WOLFSSL_CTX, made once and never changed
 * again, shared with instances of the same settings. Who the upstream has to be is judged twice:
 * when its certificate comes, and once more when the library is content.
 */
#ifndef POSTERN_MODULES_UTLS_H
#define POSTERN_MODULES_UTLS_H

#include "tls-common/tls_common.h"
#include "tls-common/tls_expiry.h"

#define UTLS_NAME   "upstream-tls"
#define UTLS_DIGEST 32
/* Longest host name (RFC 1035 section 2.3.4), and its NUL. */
#define UTLS_NAME_MAX 254

extern const struct pst_host *utls_host;

/* --- instance --------------------------------------------------------------------------------- */

/* Who the upstream has to be: a host name, or an IP address; neither: not known. */
struct utls_who {
    struct pst_str name; /* normalised */
    struct pst_addr ip;  /* family PST_AF_NONE: none */
};

struct utls_ctx; /* a shared context, ctx.c */

struct utls {
    pst_instance *self;
    bool only_marked; /* targets = "tls" */
    bool verify;
    bool sessions;
    bool alpn_of_client; /* alpn = [ "client" ] */
    char server_name[UTLS_NAME_MAX];
    struct utls_who who; /* by server_name */
    struct tls_params params;
    struct tls_alpn alpn;
    struct utls_ctx *ctx;
    struct tls_expiry expiry; /* of the client certificate */
};

/* --- config.c --------------------------------------------------------------------------------- */

#define UTLS_N_OPTIONS 13
extern const struct pst_option utls_options[UTLS_N_OPTIONS];

/* Fill `u` from its configuration. All errors are reported. PST_OK or PST_ERR_*. [main] */
int32_t utls_configure(struct utls *u, const pst_cfg *cfg);

/* --- ctx.c ------------------------------------------------------------------------------------ */

#define UTLS_CA_MAX 16

/* A file of authorities. */
struct utls_ca {
    const char *path;
    uint8_t *pem;
    size_t n;
    bool system; /* the system's: what cannot be used in it is left out */
};

/* What a context is made of: contents of files, so that a changed one makes another context. */
struct utls_material {
    const struct tls_params *params;
    const struct tls_cred *cred; /* NULL: no client certificate */
    struct utls_ca ca[UTLS_CA_MAX];
    uint32_t n_ca;
    bool verify;
    bool sessions;
};

/* A context of this material, counted; NULL with a sentence in `why`. [main] */
struct utls_ctx *ctx_get(const struct utls_material *m, char *why, size_t why_n);
/* NULL is fine. [main] */
void ctx_put(struct utls_ctx *c);
/* Borrowed. [any] */
WOLFSSL_CTX *ctx_wolfssl(const struct utls_ctx *c);

/* --- peer.c ----------------------------------------------------------------------------------- */

/* What is told about an upstream's certificate. */
struct utls_peer {
    struct pst_str subject; /* RFC 4514 */
    uint8_t sha256[UTLS_DIGEST];
    uint64_t not_after;   /* Unix time              */
    uint64_t verified_at; /* as host->now_ns() says */
};

/* Results about chains that have OpenSSL's numbers: builds of wolfSSL differ in their names. */
enum {
    CHAIN_OK = 0,
    CHAIN_BAD_SIGNATURE = 7,
    CHAIN_NOT_YET_VALID = 9,
    CHAIN_EXPIRED = 10,
    CHAIN_BAD_NOT_BEFORE = 13,
    CHAIN_BAD_NOT_AFTER = 14,
    CHAIN_SELF_SIGNED_LEAF = 18,
    CHAIN_SELF_SIGNED = 19,
    CHAIN_NO_ISSUER = 20,
    CHAIN_NO_ISSUER_OF_LEAF = 21,
    CHAIN_WRONG_PURPOSE = 26
};

struct session;

/* Is this certificate one of whom we want? An unknown name is nobody's. */
bool peer_is(const struct tls_x509 *x, const struct utls_who *who);
/* wolfSSL's callback about each certificate of a chain. [worker] */
int peer_on_verify(int ok, WOLFSSL_X509_STORE_CTX *store);
/* The handshake is over: is the upstream who it has to be? Fills in s->peer. [worker] */
bool peer_is_proven(struct session *s);

/* --- sessions.c: what can be resumed ---------------------------------------------------------- */

/*
 * Sessions of one instance on one worker: they cross neither a policy, for that is the instance's,
 * nor a reload, after which every upstream is verified anew. All [worker].
 */
struct utls_cache;

/* NULL: out of memory. */
struct utls_cache *cache_new(void);
/* NULL is fine. */
void cache_free(struct utls_cache *c);
/* Digest of where a session belongs: target, name, protocols. false: it could not be made. */
bool cache_key(uint8_t key[UTLS_DIGEST], const struct pst_upstream_target *t,
               const struct utls_who *who, const struct tls_alpn *alpn);
/*
 * Offer what is kept under this key; false: nothing. `peer` gets what its certificate was, the
 * text borrowed until the cache changes; `depth` how often that handshake was resumed.
 */
bool cache_offer(struct utls_cache *c, const uint8_t key[UTLS_DIGEST], WOLFSSL *ssl,
                 struct utls_peer *peer, uint32_t *depth);
/* Keep the session of `ssl`. Of no consequence when that is not possible. */
void cache_keep(struct utls_cache *c, const uint8_t key[UTLS_DIGEST], WOLFSSL *ssl,
                const struct utls_peer *peer, uint32_t depth);
/* What was offered did harm: neither keep nor offer anything under this key for a while. */
void cache_refuse(struct utls_cache *c, const uint8_t key[UTLS_DIGEST]);

/* --- session.c -------------------------------------------------------------------------------- */

/* The state of a connection, a block of the host's; begun anew for each target. */
struct session {
    struct tls_stream tls; /* first: see there */
    const struct utls *u;
    struct utls_cache *cache; /* NULL: nothing is kept or offered */
    struct utls_who who;
    const struct tls_alpn *alpn; /* what is offered */
    struct pst_str agreed;       /* of that; n 0: none */
    struct tls_facts facts;
    struct utls_peer peer;
    uint8_t key[UTLS_DIGEST];
    uint64_t begun;
    uint32_t depth;   /* of resumptions since the certificate was seen */
    int chain_error;  /* of wolfSSL, about the chain; 0: none          */
    bool offered;     /* a session from the cache                      */
    bool judged;      /* the upstream has shown a certificate          */
    bool name_wrong;  /* which is not for whom we want                 */
    bool verified;    /* everything about it is right                  */
    bool ticket_came; /* since the last look                           */
};

/* Stack TLS on the upstream's stream; a verdict. [worker] */
int32_t session_start(struct session *s, const struct utls *u, struct utls_cache *cache,
                      pst_conn *conn, const struct pst_upstream_target *t);

/* --- errors.c --------------------------------------------------------------------------------- */

/* The handshake has failed with this: tell both sides why. Answers an error. [worker] */
int32_t session_failed(struct tls_stream *t, int err);
/* Fail before anything was sent. [worker] */
int32_t session_refused(struct session *s, const char *code, const char *text);

/* --- vars.c ----------------------------------------------------------------------------------- */

/* Register the upstream.tls variables; PST_OK or a negative error. In load(). [main] */
int32_t vars_setup(const struct pst_host *host);
/* Look for the variables of the client's side. In link(). [main] */
void vars_find(const struct pst_host *host);
/* True when the client's TLS ends here: `alpn` is what it agreed on, if anything. [worker] */
bool vars_of_client(pst_conn *conn, struct pst_value *alpn);

#endif
