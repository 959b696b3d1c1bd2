/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The certificates of an instance and the names they are for. Names are searched in a sorted list:
 * a connection costs the same few comparisons whether there are two certificates or ten thousand,
 * and nobody who chooses names can make it cost more.
 */
#include "term.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LISTED_MAX   32
#define SAN_DNS_NAME 0x82 /* [2] IA5String (RFC 5280 section 4.2.1.6) */

/* --- reading ---------------------------------------------------------------------------------- */

int32_t certs_add(struct term_certs *s, const pst_cfg *node, const char *cert, const char *key,
                  const char *ocsp)
{
    struct term_cert *c;
    int32_t rc;

    if (s->n == s->room) {
        uint32_t room = s->room == 0 ? 8 : s->room * 2;
        struct term_cert *larger = reallocarray(s->all, room, sizeof(*larger));

        if (larger == NULL) {
            return PST_ERR_NOMEM;
        }
        s->all = larger;
        s->room = room;
    }
    c = &s->all[s->n];
    memset(c, 0, sizeof(*c));
    c->path = strdup(cert);
    if (c->path == NULL) {
        return PST_ERR_NOMEM;
    }
    s->n++;
    rc = tls_cfg_cred_files(term_host, node, cert, key, &c->cred);
    if (rc != PST_OK) {
        return rc;
    }
    tls_x509_key_name(&c->cred.x509, c->key_name, sizeof(c->key_name));
    return ocsp != NULL ? staple_read(c, node, ocsp) : PST_OK;
}

static int32_t read_listed(struct term_certs *s, const pst_cfg *list)
{
    uint32_t n = term_host->cfg_count(list);
    int32_t rc = PST_OK;

    if (n == 0) {
        return term_wrong(list, "an empty list: name a certificate");
    }
    if (n > LISTED_MAX) {
        return term_wrong(list, "more than %d certificates: use \"certificate_dir\"", LISTED_MAX);
    }
    for (uint32_t i = 0; i < n; i++) {
        const pst_cfg *node = term_host->cfg_at(list, i);
        struct pst_str cert, key, ocsp = { NULL, 0 };
        int32_t one = tls_cfg_both(term_host->cfg_path(node, "certificate", &cert),
                                   term_host->cfg_path(node, "key", &key));

        one = tls_cfg_both(one, tls_cfg_optional(term_host->cfg_path(node, "ocsp", &ocsp)));
        rc = tls_cfg_both(rc, one == PST_OK ? certs_add(s, node, cert.p, key.p, ocsp.p) : one);
    }
    return rc;
}

/* --- names ------------------------------------------------------------------------------------ */

static int compare_text(const struct term_name *a, const struct term_name *b)
{
    return a->n != b->n ? (a->n < b->n ? -1 : 1) : strncasecmp(a->p, b->p, a->n);
}

static const struct tls_x509 *x509_of(const struct term_certs *s, const struct term_name *n)
{
    return &s->all[n->cert].cred.x509;
}

/* Of the same name RSA comes last, being the dearer; then the order of the configuration counts. */
static int compare_names(const void *one, const void *other, void *arg)
{
    const struct term_certs *s = arg;
    const struct term_name *a = one, *b = other;
    bool rsa_a = x509_of(s, a)->key == TLS_KEY_RSA, rsa_b = x509_of(s, b)->key == TLS_KEY_RSA;
    int order = compare_text(a, b);

    if (order == 0 && rsa_a != rsa_b) {
        return rsa_a ? 1 : -1;
    }
    return order != 0 ? order : (a->cert > b->cert) - (a->cert < b->cert);
}

/* Would a client that can use `b` have got `a` already? */
static bool supersedes(const struct term_certs *s, const struct term_name *a,
                       const struct term_name *b)
{
    return compare_text(a, b) == 0 && x509_of(s, a)->key == x509_of(s, b)->key &&
           x509_of(s, a)->curve == x509_of(s, b)->curve;
}

/*
 * With one certificate of a kind for each name the number of those that are tried for a client has
 * a bound.
 */
static void keep_first_of_kind(struct term_certs *s)
{
    uint32_t kept = 0, run = 0;

    for (uint32_t i = 0; i < s->n_names; i++) {
        bool known = false;

        if (kept > 0 && compare_text(&s->names[run], &s->names[i]) != 0) {
            run = kept;
        }
        for (uint32_t k = run; k < kept && !known; k++) {
            known = supersedes(s, &s->names[k], &s->names[i]);
        }
        if (!known) {
            s->names[kept++] = s->names[i];
        }
    }
    s->n_names = kept;
}

/* Each DNS name of a certificate; they are counted when `out` is NULL. */
static uint32_t names_of(const struct term_certs *s, uint32_t cert, struct term_name *out)
{
    struct tls_der list = s->all[cert].cred.x509.sans, v;
    uint32_t n = 0;
    uint8_t tag;

    while (list.n > 0 && tls_der_next(&list, &tag, &v)) {
        if (tag == SAN_DNS_NAME && v.n > 0 && v.n < TERM_NAME_MAX) {
            if (out != NULL) {
                out[n] = (struct term_name){ (const char *)v.p, (uint32_t)v.n, cert };
            }
            n++;
        }
    }
    return n;
}

/* The first `n_default` serve whoever asks for no name, or for one that no certificate has. */
static int32_t sort_names(struct term_certs *s, uint32_t n_default)
{
    uint32_t total = n_default;

    for (uint32_t i = 0; i < s->n; i++) {
        total += names_of(s, i, NULL);
    }
    s->names = calloc(total, sizeof(*s->names));
    if (s->names == NULL) {
        return PST_ERR_NOMEM;
    }
    for (uint32_t i = 0; i < n_default; i++) {
        s->names[s->n_names++] = (struct term_name){ "", 0, i };
    }
    for (uint32_t i = 0; i < s->n; i++) {
        s->n_names += names_of(s, i, s->names + s->n_names);
    }
    qsort_r(s->names, s->n_names, sizeof(*s->names), compare_names, s);
    keep_first_of_kind(s);
    return PST_OK;
}

uint32_t certs_find(const struct term_certs *s, const char *name, size_t n,
                    const struct term_name **at)
{
    const struct term_name want = { name, (uint32_t)n, 0 };
    uint32_t low = 0, high = s->n_names, count = 0;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (compare_text(&s->names[middle], &want) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *at = s->names + low;
    while (low + count < s->n_names && compare_text(&s->names[low + count], &want) == 0) {
        count++;
    }
    return count;
}

/* --- all of it -------------------------------------------------------------------------------- */

int32_t certs_configure(struct term *t, const pst_cfg *cfg)
{
    const pst_cfg *list = term_host->cfg_get(cfg, "certificates");
    const pst_cfg *folder = term_host->cfg_get(cfg, "certificate_dir");
    struct term_certs *s = &t->certs;
    uint32_t n_default = 0, n_listed;
    int32_t rc = PST_OK;

    if (list == NULL && folder == NULL) {
        return term_wrong(cfg, "terminate_at = \"edge\" needs \"certificates\" or "
                               "\"certificate_dir\"");
    }
    if (list != NULL) {
        rc = read_listed(s, list);
    }
    n_listed = s->n;
    if (folder != NULL) {
        struct pst_str dir;
        int32_t one = term_host->cfg_path(cfg, "certificate_dir", &dir);

        rc = tls_cfg_both(rc, one == PST_OK ? cert_dir_read(s, folder, dir.p, &n_default) : one);
    }
    return rc == PST_OK ? sort_names(s, n_listed > 0 ? n_listed : n_default) : rc;
}

void certs_free(struct term_certs *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        wolfSSL_CTX_free(s->all[i].ctx);
        tls_cred_free(&s->all[i].cred);
        staple_free(&s->all[i].staple);
        free(s->all[i].path);
    }
    free(s->all);
    free(s->names);
    memset(s, 0, sizeof(*s));
}
