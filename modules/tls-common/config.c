/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys that both directions have: versions, cipher suites, groups, application protocols. */
#include "tls-common/tls_common.h"

#include <stdio.h>
#include <string.h>

int32_t tls_cfg_both(int32_t a, int32_t b)
{
    return a != PST_OK ? a : b;
}

int32_t tls_cfg_optional(int32_t rc)
{
    return rc == PST_ERR_NOT_FOUND ? PST_OK : rc;
}

/* --- lists of names --------------------------------------------------------------------------- */

static int32_t add_suite(const struct pst_host *host, struct tls_params *p, const pst_cfg *node,
                         const char *name, bool tls13)
{
    const struct tls_suite *s = tls_suite_find(name);

    if (s == NULL) {
        return cfg_wrong(host, node, "\"%s\" is not among the cipher suites that can be used",
                         name);
    }
    if ((s->keys == 0) != tls13) {
        return cfg_wrong(host, node, "%s belongs to TLS 1.%d: write it into \"%s\"", s->iana,
                         tls13 ? 2 : 3, tls13 ? "ciphers" : "ciphersuites");
    }
    if (!tls_suite_present(s)) {
        return cfg_wrong(host, node, "this build of wolfSSL lacks %s", s->iana);
    }
    for (uint8_t i = 0; i < p->n_suites; i++) {
        if (p->suites[i] == s->id) {
            return cfg_wrong(host, node, "%s is given twice", s->iana);
        }
    }
    p->suites[p->n_suites++] = s->id;
    return PST_OK;
}

static int32_t add_group(const struct pst_host *host, struct tls_params *p, const pst_cfg *node,
                         const char *name)
{
    const struct tls_group *g = tls_group_find(name);

    if (g == NULL) {
        return cfg_wrong(host, node, "\"%s\" is not among the groups that can be used", name);
    }
    if (!tls_group_present(g)) {
        return cfg_wrong(host, node, "this build of wolfSSL lacks %s", g->iana);
    }
    for (uint8_t i = 0; i < p->n_groups; i++) {
        if (p->groups[i] == g->id) {
            return cfg_wrong(host, node, "%s is given twice", g->iana);
        }
    }
    p->groups[p->n_groups++] = g->id;
    return PST_OK;
}

/* The list called `key`, NULL when it is absent; *n gets its length, *rc an error. */
static const pst_cfg *list_of(const struct pst_host *host, const pst_cfg *cfg, const char *key,
                              uint32_t *n, int32_t *rc)
{
    const pst_cfg *list = host->cfg_get(cfg, key);

    *n = list == NULL ? 0 : host->cfg_count(list);
    *rc = list != NULL && *n == 0
              ? cfg_wrong(host, list, "an empty list would leave nothing to negotiate")
              : PST_OK;
    return list;
}

static int32_t read_list(const struct pst_host *host, const pst_cfg *cfg, const char *key,
                         struct tls_params *p)
{
    uint32_t n;
    int32_t rc;
    const pst_cfg *list = list_of(host, cfg, key, &n, &rc);

    for (uint32_t i = 0; i < n; i++) {
        const pst_cfg *node = host->cfg_at(list, i);
        struct pst_str name;
        int32_t one = host->cfg_str(node, NULL, &name);

        if (one == PST_OK && strcmp(key, "groups") == 0) {
            one = add_group(host, p, node, name.p);
        } else if (one == PST_OK) {
            one = add_suite(host, p, node, name.p, strcmp(key, "ciphersuites") == 0);
        }
        rc = tls_cfg_both(rc, one);
    }
    return rc;
}

/* --- versions --------------------------------------------------------------------------------- */

static int32_t read_version(const struct pst_host *host, const pst_cfg *cfg, const char *key,
                            uint8_t *minor)
{
    struct pst_str v;
    int32_t rc = host->cfg_str(cfg, key, &v);

    if (rc == PST_OK) {
        *minor = strcmp(v.p, "1.3") == 0 ? 4 : 3;
    }
    return tls_cfg_optional(rc);
}

/* A list for a version that is not allowed would be dead letters. */
static int32_t check_versions(const struct pst_host *host, const pst_cfg *cfg,
                              const struct tls_params *p)
{
    const pst_cfg *c12 = host->cfg_get(cfg, "ciphers");
    const pst_cfg *c13 = host->cfg_get(cfg, "ciphersuites");
    int32_t rc = PST_OK;

    if (p->min > p->max) {
        return cfg_wrong(host, cfg, "min_version is newer than max_version");
    }
    if (c12 != NULL && p->min > 3) {
        rc = cfg_wrong(host, c12, "\"ciphers\" are those of TLS 1.2, which min_version excludes");
    }
    if (c13 != NULL && p->max < 4) {
        rc = cfg_wrong(host, c13,
                       "\"ciphersuites\" are those of TLS 1.3, which max_version excludes");
    }
    return rc;
}

/* --- what is called --------------------------------------------------------------------------- */

int32_t tls_cfg_params(const struct pst_host *host, const pst_cfg *cfg, struct tls_params *p)
{
    static const char *const lists[] = { "ciphersuites", "ciphers", "groups" };
    int32_t rc = PST_OK;

    p->min = 3;
    p->max = 4;
    rc = tls_cfg_both(rc, read_version(host, cfg, "min_version", &p->min));
    rc = tls_cfg_both(rc, read_version(host, cfg, "max_version", &p->max));
    rc = tls_cfg_both(rc, check_versions(host, cfg, p));
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        rc = tls_cfg_both(rc, read_list(host, cfg, lists[i], p));
    }
    return rc;
}

static void warn_of_time(const struct pst_host *host, const pst_cfg *node, const char *path,
                         const struct tls_cred *c)
{
    uint64_t now = host->wall_us() / 1000000;
    const char *what = now > c->x509.not_after    ? "has expired"
                       : now < c->x509.not_before ? "is not valid yet"
                                                  : NULL;
    char text[600];
    int n;

    if (what != NULL) {
        n = snprintf(text, sizeof(text), "the certificate %.500s %s", path, what);
        host->cfg_warn(node, text, (size_t)n);
    }
}

int32_t tls_cfg_cred_files(const struct pst_host *host, const pst_cfg *node, const char *cert,
                           const char *key, struct tls_cred *c)
{
    char why[1000] = "";

    if (tls_cred_load(c, cert, key, why, sizeof(why)) != 0) {
        return cfg_wrong(host, node, "%s", why);
    }
    warn_of_time(host, node, cert, c);
    return PST_OK;
}

int32_t tls_cfg_cred(const struct pst_host *host, const pst_cfg *node, struct tls_cred *c)
{
    struct pst_str cert, key;
    int32_t rc =
        tls_cfg_both(host->cfg_path(node, "certificate", &cert), host->cfg_path(node, "key", &key));

    return rc != PST_OK ? rc : tls_cfg_cred_files(host, node, cert.p, key.p, c);
}

bool tls_alpn_add(struct tls_alpn *a, const struct pst_str *name)
{
    size_t have = strlen(a->list);

    if (a->n == TLS_ALPN_MAX || have + name->n + 2 > sizeof(a->list)) {
        return false;
    }
    snprintf(a->list + have, sizeof(a->list) - have, "%s%.*s", have > 0 ? "," : "", (int)name->n,
             name->p);
    a->name[a->n++] = *name;
    return true;
}

bool tls_alpn_name_ok(const struct pst_str *name)
{
    return name->n > 0 && name->n <= 255 && memchr(name->p, ',', name->n) == NULL &&
           memchr(name->p, '\0', name->n) == NULL;
}

int32_t tls_cfg_alpn(const struct pst_host *host, const pst_cfg *cfg, struct tls_alpn *a)
{
    uint32_t n;
    int32_t rc;
    const pst_cfg *list = list_of(host, cfg, "alpn", &n, &rc);

    for (uint32_t i = 0; i < n; i++) {
        const pst_cfg *node = host->cfg_at(list, i);
        struct pst_str name;
        int32_t one = host->cfg_str(node, NULL, &name);

        if (one == PST_OK && !tls_alpn_name_ok(&name)) {
            one = cfg_wrong(host, node, "a protocol name has 1 to 255 bytes and no comma");
        } else if (one == PST_OK && !tls_alpn_add(a, &name)) {
            one = cfg_wrong(host, node, "too many protocols");
        }
        rc = tls_cfg_both(rc, one);
    }
    return rc;
}

const struct pst_str *tls_alpn_negotiated(const struct tls_alpn *a, WOLFSSL *ssl)
{
    char *name = NULL;
    unsigned short n = 0;

    if (wolfSSL_ALPN_GetProtocol(ssl, &name, &n) != WOLFSSL_SUCCESS || name == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->name[i].n == n && memcmp(a->name[i].p, name, n) == 0) {
            return &a->name[i];
        }
    }
    return NULL;
}
