/* SPDX-License-Identifier: MIT */
/*
 * Service "tls.client-auth/1": what a module wants to know about client certificates.
 *
 * Modules that judge client certificates (mutual-tls) publish the table in init(), with
 * PST_SERVICE_MUST_BE_CONSUMED; the module that terminates TLS on the same edge finds all of them
 * in link() and applies them in the order of the chain. It owns the TLS engine and decides how;
 * nothing of an engine appears here.
 *
 * verify() runs inside the handshake of a connection and cannot wait. Contributors must look at
 * the end state once more in on_handshake_done: a resumed session has no verify().
 */
#ifndef PST_TLS_CLIENT_AUTH_H
#define PST_TLS_CLIENT_AUTH_H

#include "../pst_types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PST_TLS_CLIENT_AUTH "tls.client-auth/1"

/* pst_tls_client_auth.mode; of several contributors the strictest counts. */
enum {
    PST_TLS_AUTH_REQUEST = 1,  /* ask; a missing or unverifiable certificate is no failure      */
    PST_TLS_AUTH_OPTIONAL = 2, /* ask; one that is given must verify                            */
    PST_TLS_AUTH_ANY = 3,      /* must be given; the chain is left to verify()                  */
    PST_TLS_AUTH_REQUIRED = 4  /* must be given and must verify                                 */
};

/* Kinds of subject alternative names. */
enum {
    PST_SAN_DNS = 1,
    PST_SAN_EMAIL = 2,
    PST_SAN_URI = 3,
    PST_SAN_IP = 4 /* 4 or 16 bytes, network order */
};

struct pst_san {
    struct pst_str value;
    uint32_t kind; /* PST_SAN_* */
    uint32_t reserved;
};

/* A client certificate, parsed once by the terminator. All of it is borrowed. */
struct pst_peer_cert {
    uint32_t size;
    uint32_t n_sans;
    const struct pst_san *sans;
    struct pst_str der;
    struct pst_str subject;    /* RFC 4514                                                       */
    struct pst_str subject_cn; /* the last common name, n 0: none                               */
    struct pst_str issuer;
    struct pst_str serial; /* hexadecimal, lower case                                        */
    uint64_t not_before;   /* Unix time, seconds                                             */
    uint64_t not_after;
    uint8_t spki_sha256[32];
    uint8_t cert_sha256[32];
};

/* Answers of verify(). */
enum { PST_TLS_AUTH_ACCEPT = 1, PST_TLS_AUTH_REJECT = 2 };

/*
 * Lives until fini() of the publisher. Of several on one edge those that name files must name the
 * same ones.
 */
struct pst_tls_client_auth {
    uint32_t size;
    uint32_t mode;                   /* PST_TLS_AUTH_* */
    const struct pst_str *ca_files;  /* trust anchors, PEM files by absolute path               */
    const struct pst_str *crl_files; /* revocation lists, PEM files by absolute path            */
    uint32_t n_ca_files;
    uint32_t n_crl_files;
    uint32_t depth; /* most intermediate certificates; 0: the terminator's default    */
    uint32_t reserved;
    uint8_t policy_digest[32]; /* sessions resume only where this is the same                   */
    void *inst;                /* first argument of verify()                                     */

    /*
     * Judge a certificate. `chain` is what the client sent, leaf first, as DER. `engine_result`
     * is 0 when the chain verified, else a number of the engine for logs only. A REJECT may set
     * *alert to a TLS alert number; it arrives as 42 (bad_certificate). An ACCEPT never makes up
     * for a chain that a mode above requires to verify. NULL: no opinion. [worker]
     */
    uint32_t (*verify)(void *inst, pst_conn *conn, const struct pst_peer_cert *leaf,
                       const struct pst_str *chain, uint32_t n_chain, uint32_t engine_result,
                       uint32_t *alert);
};

#ifdef __cplusplus
}
#endif

#endif
