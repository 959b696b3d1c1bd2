/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration of an instance. What it cannot mean is an error, never something weaker. */
#include "utls.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct pst_option utls_options[UTLS_N_OPTIONS] = {
    { .name = "targets",
      .type = PST_OPT_STR,
      .def = "all",
      .choices = "all|tls",
      .help = "which targets get TLS: all, or those with tls://" },
    { .name = "verify",
      .type = PST_OPT_BOOL,
      .def = "true",
      .help = "check the upstream's certificate" },
    { .name = "ca",
      .type = PST_OPT_PATH,
      .flags = PST_OPT_LIST,
      .help = "PEM files of trusted authorities, \"system\" for the system's ([\"system\"])" },
    { .name = "server_name",
      .type = PST_OPT_STR,
      .help = "whose certificate it has to be (the target's host name or address)" },
    { .name = "certificate",
      .type = PST_OPT_PATH,
      .help = "PEM file: our certificate for the upstream, then its issuers in order" },
    { .name = "key",
      .type = PST_OPT_PATH,
      .help = "PEM file: its private key, not encrypted, readable by its owner only" },
    TLS_OPTIONS_PARAMS,
    { .name = "alpn",
      .type = PST_OPT_STR,
      .flags = PST_OPT_LIST,
      .help = "application protocols to offer, best first; [\"client\"]: the client's" },
    { .name = "sessions",
      .type = PST_OPT_BOOL,
      .def = "true",
      .help = "resume sessions with the upstream" },
};

#define wrong(node, ...) cfg_wrong(utls_host, node, __VA_ARGS__)

/* --- authorities ------------------------------------------------------------------------------ */

/* Where systems keep what they trust; the first that is there. */
static const char *const system_files[] = {
    "/etc/ssl/certs/ca-certificates.crt",                /* Debian, Arch, Gentoo */
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* Fedora               */
    "/etc/ssl/ca-bundle.pem",                            /* openSUSE             */
    "/etc/ssl/cert.pem",                                 /* Alpine               */
};

static const char *system_file(void)
{
    for (size_t i = 0; i < sizeof(system_files) / sizeof(system_files[0]); i++) {
        if (access(system_files[i], R_OK) == 0) {
            return system_files[i];
        }
    }
    return NULL;
}

static int32_t add_ca(struct utls_material *m, const pst_cfg *node, const char *path, bool system)
{
    struct utls_ca *ca = &m->ca[m->n_ca];
    char why[700] = "";

    if (m->n_ca == UTLS_CA_MAX) {
        return wrong(node, "more than %d files", UTLS_CA_MAX);
    }
    ca->pem = tls_file_read(path, false, &ca->n, why, sizeof(why));
    if (ca->pem == NULL) {
        return wrong(node, "%s", why);
    }
    ca->path = path;
    ca->system = system;
    m->n_ca++;
    return PST_OK;
}

static int32_t add_system(struct utls_material *m, const pst_cfg *node)
{
    const char *path = system_file();

    if (path == NULL) {
        return wrong(node,
                     "this system has no file of trusted authorities (%s, for one; Debian's "
                     "package is ca-certificates): name one in \"ca\"",
                     system_files[0]);
    }
    return add_ca(m, node, path, true);
}

static int32_t read_ca(struct utls_material *m, const pst_cfg *cfg)
{
    const pst_cfg *list = utls_host->cfg_get(cfg, "ca");
    uint32_t n = list == NULL ? 0 : utls_host->cfg_count(list);
    int32_t rc = PST_OK;

    if (!m->verify) {
        return list == NULL ? PST_OK
                            : wrong(list, "\"ca\" has no meaning with verify = false: nothing is "
                                          "checked");
    }
    if (list == NULL) {
        return add_system(m, cfg);
    }
    if (n == 0) {
        return wrong(list, "an empty list would trust nobody");
    }
    for (uint32_t i = 0; i < n; i++) {
        const pst_cfg *node = utls_host->cfg_at(list, i);
        struct pst_str text, path;
        int32_t one = tls_cfg_both(utls_host->cfg_str(node, NULL, &text),
                                   utls_host->cfg_path(node, NULL, &path));

        if (one == PST_OK) {
            one = strcmp(text.p, "system") == 0 ? add_system(m, node)
                                                : add_ca(m, node, path.p, false);
        }
        rc = tls_cfg_both(rc, one);
    }
    return rc;
}

static void free_ca(struct utls_material *m)
{
    for (uint32_t i = 0; i < m->n_ca; i++) {
        free(m->ca[i].pem);
    }
}

/* --- who the upstream is ---------------------------------------------------------------------- */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Lower case, without the dot at the end; false: not a host name in ASCII. */
static bool normalise(const struct pst_str *in, char out[UTLS_NAME_MAX])
{
    size_t n = in->n, label = 0;

    n -= n > 0 && in->p[n - 1] == '.' ? 1 : 0;
    if (n == 0 || n >= UTLS_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        char c = in->p[i];

        c = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        if (c == '.' ? label == 0 : !is_name_char(c) || ++label > 63) {
            return false;
        }
        label = c == '.' ? 0 : label;
        out[i] = c;
    }
    out[n] = '\0';
    return label > 0;
}

static int32_t read_name(struct utls *u, const pst_cfg *cfg)
{
    struct pst_str name;
    struct pst_addr *ip = &u->who.ip;
    int32_t rc = utls_host->cfg_str(cfg, "server_name", &name);

    if (rc != PST_OK) {
        return tls_cfg_optional(rc);
    }
    if (inet_pton(AF_INET, name.p, ip->ip) == 1) {
        ip->family = PST_AF_INET;
    } else if (inet_pton(AF_INET6, name.p, ip->ip) == 1) {
        ip->family = PST_AF_INET6;
    } else if (normalise(&name, u->server_name)) {
        u->who.name = pst_str_of(u->server_name);
    } else {
        return wrong(utls_host->cfg_get(cfg, "server_name"),
                     "\"%s\" is neither a host name nor an IP address", name.p);
    }
    return PST_OK;
}

/* --- the rest --------------------------------------------------------------------------------- */

static int32_t read_alpn(struct utls *u, const pst_cfg *cfg)
{
    int32_t rc = tls_cfg_alpn(utls_host, cfg, &u->alpn);

    for (uint32_t i = 0; rc == PST_OK && i < u->alpn.n; i++) {
        u->alpn_of_client = u->alpn_of_client || strcmp(u->alpn.name[i].p, "client") == 0;
    }
    if (u->alpn_of_client && u->alpn.n > 1) {
        return wrong(utls_host->cfg_get(cfg, "alpn"),
                     "\"client\" stands for the client's protocols and stands alone");
    }
    if (u->alpn_of_client) {
        memset(&u->alpn, 0, sizeof(u->alpn));
    }
    return rc;
}

static int32_t read_flag(const pst_cfg *cfg, const char *key, bool *out)
{
    uint32_t on = 1;
    int32_t rc = utls_host->cfg_bool(cfg, key, &on);

    *out = on != 0;
    return rc;
}

static int32_t read_cred(const pst_cfg *cfg, struct tls_cred *cred, bool *given)
{
    bool cert = utls_host->cfg_get(cfg, "certificate") != NULL;
    bool key = utls_host->cfg_get(cfg, "key") != NULL;

    *given = cert && key;
    if (cert != key) {
        return wrong(cfg, "\"certificate\" and \"key\" belong together: \"%s\" is missing",
                     cert ? "key" : "certificate");
    }
    return *given ? tls_cfg_cred(utls_host, cfg, cred) : PST_OK;
}

static void warn_of_trust(const pst_cfg *cfg)
{
    static const char text[] = "verify = false: whoever is between here and the upstream can read "
                               "and change everything";

    utls_host->cfg_warn(utls_host->cfg_get(cfg, "verify"), text, sizeof(text) - 1);
}

static int32_t make_context(struct utls *u, const pst_cfg *cfg, const struct utls_material *m)
{
    char why[700] = "";

    u->ctx = ctx_get(m, why, sizeof(why));
    return u->ctx != NULL ? PST_OK : wrong(cfg, "%s", why);
}

int32_t utls_configure(struct utls *u, const pst_cfg *cfg)
{
    struct utls_material m = { .params = &u->params };
    struct tls_cred cred = { 0 };
    struct pst_str targets = { "", 0 };
    bool has_cred = false;
    int32_t rc = utls_host->cfg_str(cfg, "targets", &targets);

    u->only_marked = strcmp(targets.p, "tls") == 0;
    rc = tls_cfg_both(rc, read_flag(cfg, "verify", &u->verify));
    rc = tls_cfg_both(rc, read_flag(cfg, "sessions", &u->sessions));
    rc = tls_cfg_both(rc, tls_cfg_params(utls_host, cfg, &u->params));
    rc = tls_cfg_both(rc, read_alpn(u, cfg));
    rc = tls_cfg_both(rc, read_name(u, cfg));
    m.verify = u->verify;
    m.sessions = u->sessions;
    rc = tls_cfg_both(rc, read_ca(&m, cfg));
    rc = tls_cfg_both(rc, read_cred(cfg, &cred, &has_cred));
    if (rc == PST_OK) {
        m.cred = has_cred ? &cred : NULL;
        tls_params_default(&u->params);
        rc = make_context(u, cfg, &m);
    }
    if (rc == PST_OK && has_cred) {
        rc = tls_expiry_add(&u->expiry, &cred.x509);
    }
    if (rc == PST_OK && !u->verify) {
        warn_of_trust(cfg);
    }
    tls_cred_free(&cred);
    free_ca(&m);
    return rc;
}
