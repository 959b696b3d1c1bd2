/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration of an instance. Nothing falls back to something weaker. */
#include "term.h"

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
    TLS_OPTIONS_PARAMS,
    { .name = "alpn",
      .type = PST_OPT_STR,
      .flags = PST_OPT_LIST,
      .help = "application protocols, best first; a client that offers only others is refused" },
    { .name = "tickets",
      .type = PST_OPT_BOOL,
      .def = "true",
      .help = "let clients resume sessions" },
    { .name = "ticket_keys",
      .type = PST_OPT_PATH,
      .help = "file of keys that several hosts share; the first one seals (keys of our own)" },
    { .name = "ticket_lifetime",
      .type = PST_OPT_DURATION,
      .def = "12h",
      .min = 60 * 1000,
      .max = 604800 * 1000ul,
      .help = "how long a session can be resumed" },
};

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
        return tls_cfg_optional(rc);
    }
    if (!t->tickets_on) {
        return term_wrong(node, "\"tickets\" are off, so no keys are used");
    }
    t->tickets.ring = ticket_keys_read(path.p, why, sizeof(why));
    return t->tickets.ring != NULL ? PST_OK : term_wrong(node, "%s", why);
}

static int32_t read_tickets(struct term *t, const pst_cfg *cfg)
{
    uint64_t ms = 0;
    uint32_t on = 0;
    int32_t rc = tls_cfg_both(term_host->cfg_bool(cfg, "tickets", &on),
                              term_host->cfg_duration(cfg, "ticket_lifetime", &ms));

    t->tickets_on = on != 0;
    t->tickets.lifetime = (uint32_t)(ms / 1000);
    return tls_cfg_both(rc, read_ticket_keys(t, cfg));
}

static int32_t configure_edge(struct term *t, const pst_cfg *cfg)
{
    int32_t rc = tls_cfg_params(term_host, cfg, &t->params);

    rc = tls_cfg_both(rc, tls_cfg_alpn(term_host, cfg, &t->alpn));
    rc = tls_cfg_both(rc, read_tickets(t, cfg));
    rc = tls_cfg_both(rc, certs_configure(t, cfg));
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
