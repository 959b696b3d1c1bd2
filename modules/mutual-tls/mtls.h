/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mutual-tls: judges client certificates. It has no TLS engine: the module that terminates TLS
 * hands it parsed certificates through "tls.client-auth/1".
 */
#ifndef POSTERN_MODULES_MTLS_H
#define POSTERN_MODULES_MTLS_H

#include <stdbool.h>

#include <postern_module.h>
#include <services/tls_client_auth.h>

#define MTLS_NAME   "mutual-tls"
#define MTLS_DIGEST 32

/* The host, set once in load(), read-only afterwards. */
extern const struct pst_host *mtls_host;

/* A rule matches when all that it names match. n 0, or false: not named. Strings are borrowed. */
struct mtls_rule {
    struct pst_str cn, san_dns, san_uri, san_email;
    uint8_t spki_sha256[MTLS_DIGEST], cert_sha256[MTLS_DIGEST];
    bool has_spki, has_cert;
};

/* Ids of the terminator's variables; negative when it has none. */
struct mtls_vars {
    int32_t verified, cert_sha256;
};

/* An instance: read-only after link(). */
struct mtls {
    pst_instance *self;
    struct pst_tls_client_auth auth; /* what is published */
    struct pst_str *ca, *crl;
    struct mtls_rule *rules;
    uint32_t n_rules; /* 0: everyone whom the mode admits */
    struct mtls_vars vars;
};

/* --- config.c --------------------------------------------------------------------------------- */

#define MTLS_N_OPTIONS 5
extern const struct pst_option mtls_options[MTLS_N_OPTIONS];

/* Fill `m`, its policy digest too. All errors are reported. PST_OK or PST_ERR_*. [main] */
int32_t mtls_configure(struct mtls *m, const pst_cfg *cfg);
/* Free what the instance holds, and itself. NULL is fine. [main] */
void mtls_free(struct mtls *m);

/* --- pem.c ------------------------------------------------------------------------------------ */

/*
 * Read a whole regular file; the caller frees *data. NULL on success, else what is wrong, a static
 * string or one of strerror(). [main]
 */
const char *mtls_read_file(const char *path, char **data, size_t *n);
/*
 * Every block "-----BEGIN label-----" must end and hold base64 of one whole DER sequence; a TLS
 * engine may skip a damaged one. Answers how many there are, -1: one is damaged. [any]
 */
int mtls_pem_count(const char *data, size_t n, const char *label);

/* --- rules.c ---------------------------------------------------------------------------------- */

/* 64 hexadecimal digits, with or without colons between the bytes. [any] */
bool mtls_parse_digest(const char *s, size_t n, uint8_t out[MTLS_DIGEST]);
/* The index of the first rule that the certificate matches; -1: none. [any] */
int mtls_match(const struct mtls_rule *rules, uint32_t n, const struct pst_peer_cert *cert);

#endif
