/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the modules that speak TLS share: the library's life, its I/O over pst_stream, names of
 * suites and groups, certificates and keys. Linked into each of them; nothing here is exported.
 */
#ifndef POSTERN_MODULES_TLS_COMMON_H
#define POSTERN_MODULES_TLS_COMMON_H

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <postern_module.h>

#include "common/cfg_wrong.h"
#include "tls-common/tls_features.h"

/* --- lib.c: life and texts -------------------------------------------------------------------- */

/* In load() and unload(); counted. 0, or a negative PST_ERR_*. [main] */
int32_t tls_lib_init(void);
void tls_lib_cleanup(void);

/* "0.1.0 (wolfSSL 5.5.4, AES-NI)": the version string of the modules. Static. [main] */
const char *tls_version_string(void);

/* The library's text for an error number, into buf; always terminated. [any] */
const char *tls_error_text(int err, char *buf, size_t n);

/*
 * Memory and randomness of a thread, counted: in worker_init() and worker_fini(). PST_OK or
 * PST_ERR_NOMEM. [worker]
 */
int32_t tls_thread_enter(void);
void tls_thread_leave(void);
/* Random bytes; 0 or a negative number of the library. Also on threads that never entered. [any] */
int tls_random(uint8_t *p, size_t n);

/* --- io.c: the library's reads and writes ----------------------------------------------------- */

struct tls_parked; /* bytes that wait in a connection's own memory */
struct tls_thread; /* what the worker has once */

/* TLS content types (RFC 8446 section 5.1). */
enum { TLS_RECORD_CCS = 20, TLS_RECORD_ALERT = 21, TLS_RECORD_DATA = 23 };

/*
 * Between a WOLFSSL and the stream below it. What is read in advance stays in the thread's buffer
 * until another connection needs that, what is written leaves when a call of ours ends: so an idle
 * connection owns no memory here.
 */
struct tls_io {
    const struct pst_host *host;
    pst_stream *inner;
    struct tls_thread *thread;   /* of the connection's worker                          */
    struct tls_parked *in, *out; /* NULL: nothing                                       */
    int32_t failed;              /* PST_ERR_* of the stream below, 0: none              */
    int32_t want;                /* what the stream below waited for in its last read   */
    uint16_t body_left;          /* of the record being read                            */
    uint8_t head[5], head_n;     /* its header being collected                          */
    bool eof;                    /* the stream below has ended                          */
    bool muted;                  /* our direction is over: output is dropped            */
    bool sent_ccs, sent_data;    /* such records were written                           */
    uint16_t records;            /* headers read since the last application data        */
    uint16_t credit;             /* records without application data still allowed      */
};

/* Bind both; `io` is zeroed by the caller and must not move until tls_io_end(). [worker] */
void tls_io_begin(struct tls_io *io, WOLFSSL *ssl, const struct pst_host *host, pst_stream *inner);
/* Drop what waits. Safe on a zeroed one. [worker] */
void tls_io_end(struct tls_io *io);

/*
 * Send what the library has written: at the end of each call into it. PST_OK, PST_WANT_WRITE while
 * some of it waits, or an error of the stream below. [worker]
 */
int32_t tls_io_push(struct tls_io *io);
/*
 * Before the library is asked to read when it holds nothing read: PST_WANT_READ, PST_WANT_WRITE: it
 * would find nothing new and says so at ten times the cost. PST_OK: ask it. [worker]
 */
int32_t tls_io_look(struct tls_io *io);
/* False: what was read last does not begin like a record of TLS (RFC 8446 section 5.1). */
bool tls_io_is_tls(const struct tls_io *io);
/* True while written bytes wait for the stream below. */
bool tls_io_waiting(const struct tls_io *io);
/*
 * wolfSSL_read() gave `n` bytes of application data: settle the account of records without any.
 * [worker]
 */
void tls_io_earn(struct tls_io *io, size_t n);
/* Append a record of our own making: an alert that the library did not send. [worker] */
void tls_io_alert(struct tls_io *io, uint8_t alert);
/* Forget what the library wrote since the last tls_io_push(). [worker] */
void tls_io_take_back(void);

/* --- stream.c: a stream that speaks TLS ------------------------------------------------------ */

struct tls_stream;

/* What differs between the two ends of TLS. */
struct tls_role {
    int (*step)(WOLFSSL *ssl); /* wolfSSL_accept() or wolfSSL_connect() */
    /* The library is content: PST_OK, or what to fail with after saying why. [worker] */
    int32_t (*finish)(struct tls_stream *t);
    /* The library has failed in the handshake with this: say why, answer an error. [worker] */
    int32_t (*fail)(struct tls_stream *t, int err);
    /* After each read; NULL: nothing to do then. [worker] */
    void (*after_read)(struct tls_stream *t);
    /* It is closed before its handshake was over; NULL: nothing to do then. [worker] */
    void (*unfinished)(struct tls_stream *t);
};

/* First member of a connection's state, which is the context of the stream's operations. */
struct tls_stream {
    const struct tls_role *role;
    pst_conn *conn;
    WOLFSSL *ssl; /* NULL before it is stacked and after it was closed */
    struct tls_io io;
    uint32_t side;    /* PST_SIDE_*                                    */
    int32_t failed;   /* the handshake has failed with this, PST_ERR_* */
    bool done;        /* handshake                                     */
    bool read_ended;  /* close_notify came                             */
    bool write_ended; /* close_notify was sent                         */
};

/*
 * Stack it on that side of its connection. Role, conn and ssl are set, the rest is zero; it must
 * not move until it is closed, which frees ssl. After an error ssl is still the caller's. [worker]
 */
int32_t tls_stream_stack(struct tls_stream *t, const struct pst_host *host, uint32_t side);

/* --- alerts.c --------------------------------------------------------------------------------- */

/* RFC 8446 section 6. */
enum {
    ALERT_CLOSE_NOTIFY = 0,
    ALERT_UNEXPECTED_MESSAGE = 10,
    ALERT_HANDSHAKE_FAILURE = 40,
    ALERT_BAD_CERTIFICATE = 42,
    ALERT_ILLEGAL_PARAMETER = 47,
    ALERT_DECODE_ERROR = 50,
    ALERT_DECRYPT_ERROR = 51,
    ALERT_PROTOCOL_VERSION = 70,
    ALERT_INTERNAL_ERROR = 80,
    ALERT_INAPPROPRIATE_FALLBACK = 86,
    ALERT_MISSING_EXTENSION = 109,
    ALERT_CERTIFICATE_REQUIRED = 116,
    ALERT_NO_APPLICATION_PROTOCOL = 120
};

/*
 * The handshake has failed with the library's `err`: make sure that the peer is told, with `wish`
 * when it is not 0 and the library said nothing. The alert that it gets; -1: none. [worker]
 */
int tls_alert_settle(struct tls_stream *t, int err, uint8_t wish);
/* Send an alert in the clear. [worker] */
void tls_alert_send(struct tls_stream *t, uint8_t alert);
/* The fatal alert that came; -1: none. [worker] */
int tls_alert_received(const struct tls_stream *t);
/* Tell the host which alerts the library has sent and received. [worker] */
void tls_alerts_note(const struct tls_stream *t);

/* --- lib.c: digests of policies --------------------------------------------------------------- */

/* Add a value and its length to a digest, so that no two lists of values give the same. 0 or -1. */
int tls_digest_mix(wc_Sha256 *sha, const void *p, size_t n);

/* --- names.c ---------------------------------------------------------------------------------- */

enum { TLS_KEY_RSA = 1, TLS_KEY_ECDSA = 2, TLS_KEY_ED25519 = 4 };

/* A cipher suite we know to be sound. */
struct tls_suite {
    const char *iana;
    const char *name; /* the library's: OpenSSL's for TLS 1.2 */
    uint16_t id;
    uint8_t keys; /* TLS_KEY_* of the certificates it works with; 0: TLS 1.3, any */
    bool by_default;
};

struct tls_group {
    const char *iana;
    const char *alias; /* another usual name, NULL: none */
    uint16_t id;
    bool by_default;
};

/* By either name; NULL: not known, or this library lacks it. */
const struct tls_suite *tls_suite_find(const char *name);
const struct tls_suite *tls_suite_by_id(uint16_t id);
const struct tls_group *tls_group_find(const char *name);
const struct tls_group *tls_group_by_id(uint16_t id);
/* The i-th of all; NULL: no more. Those that the library lacks are among them. */
const struct tls_suite *tls_suite_at(size_t i);
const struct tls_group *tls_group_at(size_t i);
/* Can the library negotiate it? */
bool tls_suite_present(const struct tls_suite *s);
bool tls_group_present(const struct tls_group *g);
/* Signature algorithms for both directions, in the library's language: nothing with SHA-1. */
extern const char tls_sigalgs[];

#define TLS_SUITES_MAX 32
#define TLS_GROUPS_MAX 8

/* What a context may negotiate. */
struct tls_params {
    uint16_t suites[TLS_SUITES_MAX];
    uint16_t groups[TLS_GROUPS_MAX];
    uint8_t n_suites, n_groups;
    uint8_t min, max; /* minor numbers on the wire: 3 is TLS 1.2, 4 is TLS 1.3 */
};

/* Fill empty lists with the defaults that suit min and max. */
void tls_params_default(struct tls_params *p);
/* Apply to a context; 0, or -1: the library refused one of them (never expected). */
int tls_params_apply(const struct tls_params *p, WOLFSSL_CTX *ctx);
/* Is what was negotiated among that? Else our settings did not hold. */
bool tls_params_hold(const struct tls_params *p, WOLFSSL *ssl);

/* What is told about a session. Names are static; NULL: not known. */
struct tls_facts {
    const char *version, *cipher, *group;
    bool resumed;
};
void tls_facts_gather(struct tls_facts *f, WOLFSSL *ssl);

/* "TLSv1.2", "TLSv1.3"; NULL for others. */
const char *tls_version_name(int wire_minor);

/* --- vars.c: what a module tells about its sessions ------------------------------------------- */

/* Those that both ends of TLS have; a module's own follow. */
enum { TLS_VAR_VERSION, TLS_VAR_CIPHER, TLS_VAR_GROUP, TLS_VAR_RESUMED, TLS_VAR_OWN };

struct tls_var {
    const char *name; /* kept: static */
    uint32_t type;    /* PST_VALUE_* */
};

/* The value of the variable at that place of the table, of a session whose handshake is done; what
 * is not known is left alone. [worker] */
typedef void (*tls_var_get)(const struct tls_stream *t, uint32_t which, struct pst_value *v);

/* Register a module's variables: PST_OK or a negative error. In load(). [main] */
int32_t tls_vars_setup(const struct pst_host *host, const char *module, const struct tls_var *vars,
                       uint32_t n, tls_var_get answer);
/* Let the variables of its connection find this session, which lives as long. PST_OK or a negative
 * error. [worker] */
int32_t tls_vars_bind(const struct tls_stream *t);

/* For getters: values, borrowed; an empty string is none. [worker] */
void tls_var_str(struct pst_value *v, struct pst_str s);
void tls_var_bytes(struct pst_value *v, const void *p, size_t n);
void tls_var_bool(struct pst_value *v, bool b);
/* The first four of the list above; nothing for others. [worker] */
void tls_var_facts(struct pst_value *v, uint32_t which, const struct tls_facts *f);

/* --- config.c: keys that both directions have ------------------------------------------------- */

/* Their declarations, for a table of options. */
#define TLS_OPTIONS_PARAMS                                                                         \
    { .name = "min_version",                                                                       \
      .type = PST_OPT_STR,                                                                         \
      .def = "1.2",                                                                                \
      .choices = "1.2|1.3",                                                                        \
      .help = "oldest TLS version" },                                                              \
        { .name = "max_version",                                                                   \
          .type = PST_OPT_STR,                                                                     \
          .def = "1.3",                                                                            \
          .choices = "1.2|1.3",                                                                    \
          .help = "newest TLS version" },                                                          \
        { .name = "ciphers",                                                                       \
          .type = PST_OPT_STR,                                                                     \
          .flags = PST_OPT_LIST,                                                                   \
          .help = "cipher suites of TLS 1.2, best first" },                                        \
        { .name = "ciphersuites",                                                                  \
          .type = PST_OPT_STR,                                                                     \
          .flags = PST_OPT_LIST,                                                                   \
          .help = "cipher suites of TLS 1.3, best first" },                                        \
    {                                                                                              \
        .name = "groups", .type = PST_OPT_STR, .flags = PST_OPT_LIST,                              \
        .help = "key exchange groups, best first"                                                  \
    }

#define TLS_ALPN_MAX 16

/* Application protocols (RFC 7301), best first. The names are borrowed. */
struct tls_alpn {
    struct pst_str name[TLS_ALPN_MAX];
    uint32_t n;
    char list[512]; /* comma-separated, for the library */
};

/* The first of two results that is an error. */
int32_t tls_cfg_both(int32_t a, int32_t b);
/* An absent key leaves its default in place: PST_ERR_NOT_FOUND becomes PST_OK. */
int32_t tls_cfg_optional(int32_t rc);

/* Read the keys above into `p`, which is zeroed, without defaults for lists. All errors are
 * reported. PST_OK or PST_ERR_CONFIG. [main] */
int32_t tls_cfg_params(const struct pst_host *host, const pst_cfg *cfg, struct tls_params *p);
/* The same for the list "alpn". [main] */
int32_t tls_cfg_alpn(const struct pst_host *host, const pst_cfg *cfg, struct tls_alpn *a);

struct tls_cred;
/*
 * Load what the keys "certificate" and "key" of `node` name, both required, with a warning about
 * its time. PST_OK or PST_ERR_CONFIG; free it in either case. [main]
 */
int32_t tls_cfg_cred(const struct pst_host *host, const pst_cfg *node, struct tls_cred *c);
/* The same for these files. [main] */
int32_t tls_cfg_cred_files(const struct pst_host *host, const pst_cfg *node, const char *cert,
                           const char *key, struct tls_cred *c);

/* Can the library be given this name? */
bool tls_alpn_name_ok(const struct pst_str *name);
/* Append one that is ok; false: too many. */
bool tls_alpn_add(struct tls_alpn *a, const struct pst_str *name);
/* The one of the list that was agreed on; NULL: none. [worker] */
const struct pst_str *tls_alpn_negotiated(const struct tls_alpn *a, WOLFSSL *ssl);

/* --- x509.c: a bounded reader of certificates ------------------------------------------------- */

struct tls_der {
    const uint8_t *p;
    size_t n;
};

/* Parts of one certificate; all of it points into the DER it was read from. */
struct tls_x509 {
    struct tls_der der, serial, issuer, subject, spki, sans; /* sans: content of GeneralNames */
    uint64_t not_before, not_after;                          /* Unix time */
    const char *sig; /* its signature, as "RSA-SHA256", "ecdsa-with-SHA256"; NULL: not known */
    uint16_t curve;  /* of an EC key: the id of its TLS group, 0: none we know */
    uint16_t bits;   /* of an RSA modulus or the field of a curve, 0: not known */
    uint8_t key;     /* TLS_KEY_*, 0: another kind */
};

/* 0, or -1: not a certificate that we can read. */
int tls_x509_read(const uint8_t *p, size_t n, struct tls_x509 *out);
/* The content of the public key: a modulus, a point, or 32 bytes of Ed25519. */
bool tls_x509_public_key(const struct tls_x509 *x, struct tls_der *out);
/* True when a DNS name among its alternative names covers this normalised host name. */
bool tls_x509_covers(const struct tls_x509 *x, const char *name, size_t n);
/* True when an IP address among them is this one, of 4 or 16 bytes. */
bool tls_x509_has_ip(const struct tls_x509 *x, const uint8_t *ip, size_t n);
/* "RSA2048", "EC256", "ED25519"; empty for other kinds. 16 bytes are enough. */
void tls_x509_key_name(const struct tls_x509 *x, char *buf, size_t n);
/* The next element of `from`, which advances; *tag is its tag. false: no more, or malformed. */
bool tls_der_next(struct tls_der *from, uint8_t *tag, struct tls_der *value);
/* The next element, which must have this tag: else false, and nothing was taken. */
bool tls_der_expect(struct tls_der *from, uint8_t tag, struct tls_der *value);
/* The next element, a time (RFC 5280 section 4.1.2.5), as Unix time; years from 1970. */
bool tls_der_time(struct tls_der *from, uint64_t *out);

/* --- ocsp.c: OCSP responses (RFC 6960) -------------------------------------------------------- */

enum { TLS_OCSP_GOOD = 0, TLS_OCSP_REVOKED = 1, TLS_OCSP_UNKNOWN = 2 };

struct tls_ocsp {
    uint64_t this_update, next_update; /* Unix time; next_update 0: not told */
    uint8_t status;                    /* TLS_OCSP_* */
};

/*
 * What a response says about a certificate, by issuer and serial number; its signature is for
 * clients to verify. 0; -1 with a sentence's end in *why: not a response that we can read, or none
 * about this certificate. [any]
 */
int tls_ocsp_read(const uint8_t *p, size_t n, const struct tls_x509 *x, struct tls_ocsp *out,
                  const char **why);

/* --- x509_text.c ------------------------------------------------------------------------------ */

/* Text being written into a fixed buffer; `full` says that something is missing. */
struct tls_text {
    char *p;
    size_t n, room;
    bool full;
};

void tls_text_add(struct tls_text *t, const char *p, size_t n);
void tls_text_hex(struct tls_text *t, const uint8_t *p, size_t n);
/*
 * A Name of a certificate (the whole element) as RFC 4514 writes it; `cn` gets the value of its
 * last common name, which may hold anything. false: malformed, or too long.
 */
bool tls_text_name(struct tls_text *t, const struct tls_der *name, struct tls_der *cn);

/* --- creds.c: certificates and keys from files ------------------------------------------------ */

/* Longest file that is read as certificates, keys or lists of them. */
#define TLS_FILE_MAX ((size_t)1024 * 1024)

struct tls_cred {
    uint8_t *chain; /* PEM, leaf first */
    uint8_t *key;   /* PEM, wiped when freed */
    size_t chain_n, key_n;
    uint8_t *leaf; /* DER */
    size_t leaf_n;
    struct tls_x509 x509; /* of the leaf */
};

/*
 * Read and check: key not open to group or others and not encrypted, chain in order, key matching
 * the certificate. Both may be the same file. 0, or -1 with a sentence in `why`. Free it in either
 * case. [main]
 */
int tls_cred_load(struct tls_cred *c, const char *cert_path, const char *key_path, char *why,
                  size_t why_n);
void tls_cred_free(struct tls_cred *c);
/* Put both into a context; 0, or -1. */
int tls_cred_apply(const struct tls_cred *c, WOLFSSL_CTX *ctx);
/* Once every context has it: forget all but the leaf. */
void tls_cred_applied(struct tls_cred *c);

/*
 * keypair.c: does the private key in this PEM text belong to the certificate? 1 yes, 0 no, -1: no
 * key there, or one of another kind. [main]
 */
int tls_key_belongs(const uint8_t *pem, size_t n, const struct tls_x509 *x);

/*
 * The next certificate of a PEM text that ends in NUL, whatever else is in it; 1, 0 at the end,
 * -1: damaged. *off advances; free *der with wc_FreeDer().
 */
int tls_pem_next(const uint8_t *pem, size_t n, size_t *off, DerBuffer **der);
/* The same for revocation lists. */
int tls_pem_next_crl(const uint8_t *pem, size_t n, size_t *off, DerBuffer **der);

/* Read a whole file of at most TLS_FILE_MAX bytes, NUL-terminated; NULL with a sentence in why. */
uint8_t *tls_file_read(const char *path, bool secret, size_t *n, char *why, size_t why_n);
/* The same, of at most so many bytes, a multiple of TLS_FILE_MAX. */
uint8_t *tls_file_read_most(const char *path, bool secret, size_t most, size_t *n, char *why,
                            size_t why_n);

#endif
