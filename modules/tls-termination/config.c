/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration of an instance. Nothing falls back to something weaker. */
#include "term.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct pst_option cert_options[] = {
    { .name = "certificate",
      .type = PST_OPT_PATH,
      .flags = PST_OPT_REQUIRED,
      .help = "PEM file: the server's certificate, then its issuers in order" },
    { .name = "key",
      .type = PST_OPT_PATH,
      .flags = PST_OPT_REQUIRED,
      .help = "PEM file: its private key, not encrypted, readable by its owner only" },
    { .name = "ocsp",
      .type = PST_OPT_PATH,
      .help = "DER file: an OCSP response about it, stapled to the handshake" },
};

const struct pst_option term_options[TERM_N_OPTIONS] = {
    { .name = "terminate_at",
      .type = PST_OPT_STR,
      .flags = PST_OPT_REQUIRED,
      .choices = "edge|upstream|agent",
      .help = "where TLS ends: here, or at the upstream (nothing is decrypted)" },
    { .name = "certificates",
      .type = PST_OPT_GROUP,
      .flags = PST_OPT_LIST,
      .sub = cert_options,
      .n_sub = sizeof(cert_options) / sizeof(cert_options[0]),
      .help = "certificates; the best one for each client is chosen" },
    { .name = "certificate_dir",
      .type = PST_OPT_PATH,
      .help = "folder of certificates: NAME.crt and NAME.key, or NAME.pem with both" },
    { .name = "min_version",
      .type = PST_OPT_STR,
      .choices = "1.2|1.3",
      .help = "oldest TLS version (1.2)" },
    { .name = "max_version",
      .type = PST_OPT_STR,
      .choices = "1.2|1.3",
      .help = "newest TLS version (1.3)" },
    { .name = "ciphers",
      .type = PST_OPT_STR,
      .flags = PST_OPT_LIST,
      .help = "cipher suites of TLS 1.2, best first" },
    { .name = "ciphersuites",
      .type = PST_OPT_STR,
      .flags = PST_OPT_LIST,
      .help = "cipher suites of TLS 1.3, best first" },
    { .name = "groups",
      .type = PST_OPT_STR,
      .flags = PST_OPT_LIST,
      .help = "key exchange groups, best first" },
    { .name = "alpn",
      .type = PST_OPT_STR,
      .flags = PST_OPT_LIST,
      .help = "application protocols, best first; a client that offers only others is refused" },
    { .name = "tickets", .type = PST_OPT_BOOL, .help = "let clients resume sessions (true)" },
    { .name = "ticket_keys",
      .type = PST_OPT_PATH,
      .help = "file of keys that several hosts share; the first one seals (keys of our own)" },
    { .name = "ticket_lifetime",
      .type = PST_OPT_DURATION,
      .min = 60 * 1000,
      .max = 604800 * 1000ul,
      .help = "how long a session can be resumed (12h)" },
};

#define TICKET_LIFETIME_MS (UINT64_C(12) * 3600 * 1000)

int32_t term_wrong(const pst_cfg *node, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n < 0) {
        n = 0;
    }
    term_host->cfg_error(node, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
    return PST_ERR_CONFIG;
}

int32_t term_both(int32_t a, int32_t b)
{
    return a != PST_OK ? a : b;
}

/* --- lists of names --------------------------------------------------------------------------- */

static int32_t add_suite(struct term *t, const pst_cfg *node, const char *name, bool tls13)
{
    const struct tls_suite *s = tls_suite_find(name);

    if (s == NULL) {
        return term_wrong(node, "\"%s\" is not among the cipher suites that can be used", name);
    }
    if ((s->keys == 0) != tls13) {
        return term_wrong(node, "%s belongs to TLS 1.%d: write it into \"%s\"", s->iana,
                          tls13 ? 2 : 3, tls13 ? "ciphers" : "ciphersuites");
    }
    if (!tls_suite_present(s)) {
        return term_wrong(node, "this build of wolfSSL lacks %s", s->iana);
    }
    for (uint8_t i = 0; i < t->params.n_suites; i++) {
        if (t->params.suites[i] == s->id) {
            return term_wrong(node, "%s is given twice", s->iana);
        }
    }
    t->params.suites[t->params.n_suites++] = s->id;
    return PST_OK;
}

static int32_t add_group(struct term *t, const pst_cfg *node, const char *name)
{
    const struct tls_group *g = tls_group_find(name);

    if (g == NULL) {
        return term_wrong(node, "\"%s\" is not among the groups that can be used", name);
    }
    if (!tls_group_present(g)) {
        return term_wrong(node, "this build of wolfSSL lacks %s", g->iana);
    }
    for (uint8_t i = 0; i < t->params.n_groups; i++) {
        if (t->params.groups[i] == g->id) {
            return term_wrong(node, "%s is given twice", g->iana);
        }
    }
    t->params.groups[t->params.n_groups++] = g->id;
    return PST_OK;
}

static int32_t add_alpn(struct term *t, const pst_cfg *node, const struct pst_str *name)
{
    size_t have = strlen(t->alpn_list);

    if (name->n == 0 || name->n > 255 || memchr(name->p, ',', name->n) != NULL) {
        return term_wrong(node, "a protocol name has 1 to 255 bytes and no comma");
    }
    if (t->n_alpn == TERM_ALPN_MAX || have + name->n + 2 > sizeof(t->alpn_list)) {
        return term_wrong(node, "too many protocols");
    }
    snprintf(t->alpn_list + have, sizeof(t->alpn_list) - have, "%s%s", have > 0 ? "," : "",
             name->p);
    t->alpn[t->n_alpn++] = *name;
    return PST_OK;
}

static int32_t read_list(struct term *t, const pst_cfg *cfg, const char *key)
{
    const pst_cfg *list = term_host->cfg_get(cfg, key);
    uint32_t n = list == NULL ? 0 : term_host->cfg_count(list);
    int32_t rc = PST_OK;

    if (list != NULL && n == 0) {
        return term_wrong(list, "an empty list would leave nothing to negotiate");
    }
    for (uint32_t i = 0; i < n; i++) {
        const pst_cfg *node = term_host->cfg_at(list, i);
        struct pst_str name;
        int32_t one = term_host->cfg_str(node, NULL, &name);

        if (one == PST_OK && strcmp(key, "alpn") == 0) {
            one = add_alpn(t, node, &name);
        } else if (one == PST_OK && strcmp(key, "groups") == 0) {
            one = add_group(t, node, name.p);
        } else if (one == PST_OK) {
            one = add_suite(t, node, name.p, strcmp(key, "ciphersuites") == 0);
        }
        rc = term_both(rc, one);
    }
    return rc;
}

/* --- the rest --------------------------------------------------------------------------------- */

int32_t term_optional(int32_t rc)
{
    return rc == PST_ERR_NOT_FOUND ? PST_OK : rc;
}

static int32_t read_version(const pst_cfg *cfg, const char *key, uint8_t *minor)
{
    struct pst_str v;
    int32_t rc = term_host->cfg_str(cfg, key, &v);

    if (rc == PST_OK) {
        *minor = strcmp(v.p, "1.3") == 0 ? 4 : 3;
    }
    return term_optional(rc);
}

/* A list for a version that is not allowed would be dead letters. */
static int32_t check_versions(const struct term *t, const pst_cfg *cfg)
{
    const pst_cfg *c12 = term_host->cfg_get(cfg, "ciphers");
    const pst_cfg *c13 = term_host->cfg_get(cfg, "ciphersuites");
    int32_t rc = PST_OK;

    if (t->params.min > t->params.max) {
        return term_wrong(cfg, "min_version is newer than max_version");
    }
    if (c12 != NULL && t->params.min > 3) {
        rc = term_wrong(c12, "\"ciphers\" are those of TLS 1.2, which min_version excludes");
    }
    if (c13 != NULL && t->params.max < 4) {
        rc = term_wrong(c13, "\"ciphersuites\" are those of TLS 1.3, which max_version excludes");
    }
    return rc;
}

/* With a suite list that no certificate fits, TLS 1.2 clients would all be refused. */
static int32_t check_suites_fit(const struct term *t, const pst_cfg *cfg)
{
    uint8_t keys = 0;

    if (t->params.min > 3) {
        return PST_OK;
    }
    for (uint8_t i = 0; i < t->params.n_suites; i++) {
        keys |= tls_suite_by_id(t->params.suites[i])->keys;
    }
    for (uint32_t i = 0; i < t->certs.n; i++) {
        if ((keys & t->certs.all[i].cred.x509.key) == 0) {
            return term_wrong(cfg, "no cipher suite of TLS 1.2 works with the certificate %s",
                              t->certs.all[i].path);
        }
    }
    return PST_OK;
}

static int32_t read_ticket_keys(struct term *t, const pst_cfg *cfg)
{
    const pst_cfg *node = term_host->cfg_get(cfg, "ticket_keys");
    char why[700] = "";
    struct pst_str path;
    int32_t rc = term_host->cfg_path(cfg, "ticket_keys", &path);

    if (rc != PST_OK) {
        return term_optional(rc);
    }
    if (!t->tickets_on) {
        return term_wrong(node, "\"tickets\" are off, so no keys are used");
    }
    t->tickets.ring = ticket_keys_read(path.p, why, sizeof(why));
    return t->tickets.ring != NULL ? PST_OK : term_wrong(node, "%s", why);
}

static int32_t read_tickets(struct term *t, const pst_cfg *cfg)
{
    uint64_t ms = TICKET_LIFETIME_MS;
    uint32_t on = 1;
    int32_t rc = term_both(term_optional(term_host->cfg_bool(cfg, "tickets", &on)),
                           term_optional(term_host->cfg_duration(cfg, "ticket_lifetime", &ms)));

    t->tickets_on = on != 0;
    t->tickets.lifetime = (uint32_t)(ms / 1000);
    return term_both(rc, read_ticket_keys(t, cfg));
}

static int32_t configure_edge(struct term *t, const pst_cfg *cfg)
{
    static const char *const lists[] = { "ciphersuites", "ciphers", "groups", "alpn" };
    int32_t rc = PST_OK;

    t->params.min = 3;
    t->params.max = 4;
    rc = term_both(rc, read_version(cfg, "min_version", &t->params.min));
    rc = term_both(rc, read_version(cfg, "max_version", &t->params.max));
    rc = term_both(rc, check_versions(t, cfg));
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        rc = term_both(rc, read_list(t, cfg, lists[i]));
    }
    rc = term_both(rc, read_tickets(t, cfg));
    rc = term_both(rc, certs_configure(t, cfg));
    if (rc == PST_OK) {
        tls_params_default(&t->params);
        rc = check_suites_fit(t, cfg);
    }
    return rc;
}

int32_t term_configure(struct term *t, const pst_cfg *cfg)
{
    struct pst_str at;
    int32_t rc = term_host->cfg_str(cfg, "terminate_at", &at);

    if (rc != PST_OK) {
        return rc;
    }
    t->here = strcmp(at.p, "edge") == 0;
    if (t->here) {
        return configure_edge(t, cfg);
    }
    if (strcmp(at.p, "agent") == 0) {
        return term_wrong(term_host->cfg_get(cfg, "terminate_at"),
                          "\"agent\" is reserved for tunnels and cannot be used yet");
    }
    for (size_t i = 1; i < TERM_N_OPTIONS; i++) {
        const pst_cfg *node = term_host->cfg_get(cfg, term_options[i].name);

        if (node != NULL) {
            rc = term_wrong(node,
                            "\"%s\" has no meaning here: with terminate_at = \"upstream\" nothing "
                            "is decrypted",
                            term_options[i].name);
        }
    }
    return rc;
}
