/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration of an instance. What it cannot mean is an error, never something weaker. */
#include "mtls.h"

#include <sha256.h>
#include <stdlib.h>
#include <string.h>

#include "../common/cfg_wrong.h"

static const struct pst_option rule_options[] = {
    { .name = "cn", .type = PST_OPT_STR, .help = "common name of the subject" },
    { .name = "san_dns", .type = PST_OPT_STR, .help = "host name among the alternative names" },
    { .name = "san_uri", .type = PST_OPT_STR, .help = "URI among the alternative names" },
    { .name = "san_email", .type = PST_OPT_STR, .help = "address among the alternative names" },
    { .name = "spki_sha256", .type = PST_OPT_STR, .help = "SHA-256 of the public key, hex" },
    { .name = "cert_sha256", .type = PST_OPT_STR, .help = "SHA-256 of the certificate, hex" },
};

const struct pst_option mtls_options[MTLS_N_OPTIONS] = {
    { .name = "ca",
      .type = PST_OPT_PATH,
      .flags = PST_OPT_LIST | PST_OPT_REQUIRED,
      .help = "PEM files of the authorities that issue client certificates" },
    { .name = "mode",
      .type = PST_OPT_STR,
      .def = "require-and-verify",
      .choices = "require-and-verify|verify-if-given|require-any|request",
      .help = "what is asked of clients" },
    { .name = "crl",
      .type = PST_OPT_PATH,
      .flags = PST_OPT_LIST,
      .help = "PEM files of revocation lists" },
    { .name = "depth",
      .type = PST_OPT_U64,
      .def = "4",
      .min = 1,
      .max = 15,
      .help = "most intermediate certificates in a chain" },
    { .name = "allow",
      .type = PST_OPT_GROUP,
      .flags = PST_OPT_LIST,
      .sub = rule_options,
      .n_sub = sizeof(rule_options) / sizeof(rule_options[0]),
      .help = "rules, of which a certificate must match one (any certificate)" },
};

static const struct {
    const char *name;
    uint32_t mode;
} modes[] = {
    { "require-and-verify", PST_TLS_AUTH_REQUIRED },
    { "verify-if-given", PST_TLS_AUTH_OPTIONAL },
    { "require-any", PST_TLS_AUTH_ANY },
    { "request", PST_TLS_AUTH_REQUEST },
};

/* The first of two results that is none. */
static int32_t both(int32_t a, int32_t b)
{
    return a != PST_OK ? a : b;
}

/* --- policy digest ---------------------------------------------------------------------------- */

static void mix(SHA256_CTX *sha, const void *p, size_t n)
{
    uint8_t len[8];

    for (int i = 0; i < 8; i++) {
        len[i] = (uint8_t)((uint64_t)n >> (56 - 8 * i));
    }
    SHA256Update(sha, len, sizeof(len));
    SHA256Update(sha, p, n);
}

static void mix_number(SHA256_CTX *sha, uint32_t v)
{
    uint8_t b[] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };

    mix(sha, b, sizeof(b));
}

static void mix_rule(SHA256_CTX *sha, const struct mtls_rule *r)
{
    mix(sha, r->cn.p, r->cn.n);
    mix(sha, r->san_dns.p, r->san_dns.n);
    mix(sha, r->san_uri.p, r->san_uri.n);
    mix(sha, r->san_email.p, r->san_email.n);
    mix(sha, r->spki_sha256, r->has_spki ? MTLS_DIGEST : 0);
    mix(sha, r->cert_sha256, r->has_cert ? MTLS_DIGEST : 0);
}

/* --- files ------------------------------------------------------------------------------------ */

static int32_t read_pem(SHA256_CTX *sha, const pst_cfg *node, const char *path, const char *label)
{
    char *data = NULL;
    size_t n = 0;
    const char *why = mtls_read_file(path, &data, &n);
    int count;

    if (why != NULL) {
        return cfg_wrong(mtls_host, node, "cannot read %s: %s", path, why);
    }
    count = mtls_pem_count(data, n, label);
    mix(sha, data, n);
    free(data);
    if (count < 0) {
        return cfg_wrong(mtls_host, node, "%s: a block \"%s\" is damaged", path, label);
    }
    if (count == 0) {
        return cfg_wrong(mtls_host, node, "%s has no block \"%s\"", path, label);
    }
    return PST_OK;
}

/* All files of a list; their paths are borrowed from the host. */
static int32_t read_files(SHA256_CTX *sha, const pst_cfg *cfg, const char *key, const char *label,
                          struct pst_str **files, uint32_t *n_files)
{
    const pst_cfg *list = mtls_host->cfg_get(cfg, key);
    uint32_t n = list != NULL ? mtls_host->cfg_count(list) : 0;
    int32_t rc = PST_OK;

    mix_number(sha, n);
    if (n == 0) {
        return list != NULL ? cfg_wrong(mtls_host, list, "an empty list: name a file") : PST_OK;
    }
    *files = calloc(n, sizeof(**files));
    if (*files == NULL) {
        return PST_ERR_NOMEM;
    }
    *n_files = n;
    for (uint32_t i = 0; i < n; i++) {
        const pst_cfg *node = mtls_host->cfg_at(list, i);
        int32_t r = mtls_host->cfg_path(node, NULL, &(*files)[i]);

        rc = both(rc, r == PST_OK ? read_pem(sha, node, (*files)[i].p, label) : r);
    }
    return rc;
}

/* --- rules ------------------------------------------------------------------------------------ */

static int32_t read_name(const pst_cfg *rule, const char *key, struct pst_str *out)
{
    int32_t rc = mtls_host->cfg_str(rule, key, out);

    if (rc == PST_ERR_NOT_FOUND) {
        *out = (struct pst_str){ "", 0 };
        return PST_OK;
    }
    if (rc == PST_OK && out->n == 0) {
        return cfg_wrong(mtls_host, mtls_host->cfg_get(rule, key), "an empty name matches nothing");
    }
    return rc;
}

static int32_t read_digest(const pst_cfg *rule, const char *key, uint8_t out[MTLS_DIGEST],
                           bool *has)
{
    struct pst_str text;
    int32_t rc = mtls_host->cfg_str(rule, key, &text);

    if (rc != PST_OK) {
        return rc == PST_ERR_NOT_FOUND ? PST_OK : rc;
    }
    *has = mtls_parse_digest(text.p, text.n, out);
    return *has ? PST_OK
                : cfg_wrong(mtls_host, mtls_host->cfg_get(rule, key),
                            "a SHA-256 has 64 hexadecimal digits");
}

static int32_t check_rule(const struct mtls *m, const pst_cfg *node, const struct mtls_rule *r)
{
    bool named = r->cn.n > 0 || r->san_dns.n > 0 || r->san_uri.n > 0 || r->san_email.n > 0;

    if (!named && !r->has_spki && !r->has_cert) {
        return cfg_wrong(mtls_host, node, "a rule must name something");
    }
    if (r->san_dns.n > 0 && memchr(r->san_dns.p, '*', r->san_dns.n) != NULL) {
        return cfg_wrong(mtls_host, mtls_host->cfg_get(node, "san_dns"),
                         "names are compared whole: no \"*\"");
    }
    /* Without a verified chain anybody can write any name into a certificate of his own. */
    if (m->auth.mode == PST_TLS_AUTH_ANY && !r->has_spki && !r->has_cert) {
        return cfg_wrong(mtls_host, node,
                         "mode \"require-any\" verifies no chain: a rule needs \"spki_sha256\" "
                         "or \"cert_sha256\"");
    }
    return PST_OK;
}

static int32_t read_rule(const struct mtls *m, const pst_cfg *node, struct mtls_rule *r)
{
    int32_t rc = read_name(node, "cn", &r->cn);

    rc = both(rc, read_name(node, "san_dns", &r->san_dns));
    rc = both(rc, read_name(node, "san_uri", &r->san_uri));
    rc = both(rc, read_name(node, "san_email", &r->san_email));
    rc = both(rc, read_digest(node, "spki_sha256", r->spki_sha256, &r->has_spki));
    rc = both(rc, read_digest(node, "cert_sha256", r->cert_sha256, &r->has_cert));
    return rc != PST_OK ? rc : check_rule(m, node, r);
}

static int32_t read_rules(struct mtls *m, const pst_cfg *cfg)
{
    const pst_cfg *list = mtls_host->cfg_get(cfg, "allow");
    uint32_t n = list != NULL ? mtls_host->cfg_count(list) : 0;
    int32_t rc = PST_OK;

    if (list == NULL) {
        return PST_OK;
    }
    if (m->auth.mode == PST_TLS_AUTH_REQUEST) {
        return cfg_wrong(mtls_host, list, "mode \"request\" refuses nobody, so it takes no rules");
    }
    if (n == 0) {
        return cfg_wrong(mtls_host, list, "an empty list allows nobody");
    }
    m->rules = calloc(n, sizeof(*m->rules));
    if (m->rules == NULL) {
        return PST_ERR_NOMEM;
    }
    m->n_rules = n;
    for (uint32_t i = 0; i < n; i++) {
        rc = both(rc, read_rule(m, mtls_host->cfg_at(list, i), &m->rules[i]));
    }
    return rc;
}

/* --- all of it -------------------------------------------------------------------------------- */

static int32_t read_mode(struct mtls *m, const pst_cfg *cfg)
{
    struct pst_str name;
    int32_t rc = mtls_host->cfg_str(cfg, "mode", &name);

    for (size_t i = 0; rc == PST_OK && i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(name.p, modes[i].name) == 0) {
            m->auth.mode = modes[i].mode;
        }
    }
    return rc == PST_OK && m->auth.mode == 0 ? PST_ERR_CONFIG : rc;
}

int32_t mtls_configure(struct mtls *m, const pst_cfg *cfg)
{
    static const char label[] = "postern client certificate policy 1";
    struct pst_tls_client_auth *a = &m->auth;
    uint64_t depth = 0;
    SHA256_CTX sha;
    int32_t rc;

    a->size = sizeof(*a);
    SHA256Init(&sha);
    mix(&sha, label, sizeof(label));
    rc = both(read_mode(m, cfg), mtls_host->cfg_u64(cfg, "depth", &depth));
    a->depth = (uint32_t)depth;
    rc = both(rc, read_files(&sha, cfg, "ca", "CERTIFICATE", &m->ca, &a->n_ca_files));
    rc = both(rc, read_files(&sha, cfg, "crl", "X509 CRL", &m->crl, &a->n_crl_files));
    rc = both(rc, read_rules(m, cfg));
    mix_number(&sha, a->mode);
    mix_number(&sha, a->depth);
    mix_number(&sha, m->n_rules);
    for (uint32_t i = 0; rc == PST_OK && i < m->n_rules; i++) {
        mix_rule(&sha, &m->rules[i]);
    }
    SHA256Final(a->policy_digest, &sha);
    a->ca_files = m->ca;
    a->crl_files = m->crl;
    a->inst = m;
    return rc;
}

void mtls_free(struct mtls *m)
{
    if (m != NULL) {
        free(m->ca);
        free(m->crl);
        free(m->rules);
        free(m);
    }
}
