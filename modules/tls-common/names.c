/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cipher suites, groups and versions: a list of those we know to be sound. What is not in it can
 * not be configured, whatever the library was built with, and every context gets an explicit list.
 */
#include "tls-common/tls_common.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ANY_KEY 0

/* In order of preference: forward secrecy and AEAD first, CBC only on request. */
static const struct tls_suite suites[] = {
    { "TLS_AES_128_GCM_SHA256", "TLS13-AES128-GCM-SHA256", 0x1301, ANY_KEY, true },
    { "TLS_AES_256_GCM_SHA384", "TLS13-AES256-GCM-SHA384", 0x1302, ANY_KEY, true },
    { "TLS_CHACHA20_POLY1305_SHA256", "TLS13-CHACHA20-POLY1305-SHA256", 0x1303, ANY_KEY, true },
    { "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256", 0xc02b,
      TLS_KEY_ECDSA | TLS_KEY_ED25519, true },
    { "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256", 0xc02f, TLS_KEY_RSA,
      true },
    { "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384", 0xc02c,
      TLS_KEY_ECDSA | TLS_KEY_ED25519, true },
    { "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384", 0xc030, TLS_KEY_RSA,
      true },
    { "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305", 0xcca9,
      TLS_KEY_ECDSA | TLS_KEY_ED25519, true },
    { "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305", 0xcca8,
      TLS_KEY_RSA, true },
    { "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "ECDHE-ECDSA-AES128-SHA256", 0xc023, TLS_KEY_ECDSA,
      false },
    { "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-SHA256", 0xc027, TLS_KEY_RSA,
      false },
    { "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", "ECDHE-ECDSA-AES256-SHA384", 0xc024, TLS_KEY_ECDSA,
      false },
    { "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", "ECDHE-RSA-AES256-SHA384", 0xc028, TLS_KEY_RSA,
      false },
    { "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA", 0xc009, TLS_KEY_ECDSA,
      false },
    { "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA", 0xc013, TLS_KEY_RSA, false },
};

static const struct tls_group groups[] = {
    { "X25519MLKEM768", NULL, 0x11ec, true }, { "x25519", NULL, 29, true },
    { "secp256r1", "P-256", 23, true },       { "secp384r1", "P-384", 24, true },
    { "secp521r1", "P-521", 25, false },
};

#define N_SUITES (sizeof(suites) / sizeof(suites[0]))
#define N_GROUPS (sizeof(groups) / sizeof(groups[0]))

const char tls_sigalgs[] = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA256:RSA-PSS+SHA384:"
                           "RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512"
#ifdef HAVE_ED25519
                           ":ED25519"
#endif
    ;

const struct tls_suite *tls_suite_at(size_t i)
{
    return i < N_SUITES ? &suites[i] : NULL;
}

const struct tls_group *tls_group_at(size_t i)
{
    return i < N_GROUPS ? &groups[i] : NULL;
}

const struct tls_suite *tls_suite_find(const char *name)
{
    for (size_t i = 0; i < N_SUITES; i++) {
        if (strcasecmp(name, suites[i].iana) == 0 || strcasecmp(name, suites[i].name) == 0) {
            return &suites[i];
        }
    }
    return NULL;
}

const struct tls_suite *tls_suite_by_id(uint16_t id)
{
    for (size_t i = 0; i < N_SUITES; i++) {
        if (suites[i].id == id) {
            return &suites[i];
        }
    }
    return NULL;
}

const struct tls_group *tls_group_find(const char *name)
{
    for (size_t i = 0; i < N_GROUPS; i++) {
        const char *alias = groups[i].alias;

        if (strcasecmp(name, groups[i].iana) == 0 ||
            (alias != NULL && strcasecmp(name, alias) == 0)) {
            return &groups[i];
        }
    }
    return NULL;
}

const struct tls_group *tls_group_by_id(uint16_t id)
{
    for (size_t i = 0; i < N_GROUPS; i++) {
        if (groups[i].id == id) {
            return &groups[i];
        }
    }
    return NULL;
}

/* The library's table of names has only what was compiled in. */
bool tls_suite_present(const struct tls_suite *s)
{
    unsigned char first, second;
    int flags;

    return wolfSSL_get_cipher_suite_from_name(s->name, &first, &second, &flags) == 0;
}

bool tls_group_present(const struct tls_group *g)
{
    return g->id != 0x11ec || TLS_HAVE_MLKEM;
}

const char *tls_version_name(int wire_minor)
{
    return wire_minor == 4 ? "TLSv1.3" : wire_minor == 3 ? "TLSv1.2" : NULL;
}

/* A suite belongs to one version only. */
static bool suits(const struct tls_params *p, const struct tls_suite *s)
{
    return s->keys == ANY_KEY ? p->max >= 4 : p->min <= 3;
}

void tls_params_default(struct tls_params *p)
{
    bool has13 = false, has12 = false;

    for (uint8_t i = 0; i < p->n_suites; i++) {
        const struct tls_suite *s = tls_suite_by_id(p->suites[i]);

        has13 = has13 || s->keys == ANY_KEY;
        has12 = has12 || s->keys != ANY_KEY;
    }
    for (size_t i = 0; i < N_SUITES && p->n_suites < TLS_SUITES_MAX; i++) {
        const struct tls_suite *s = &suites[i];

        if (s->by_default && suits(p, s) && !(s->keys == ANY_KEY ? has13 : has12) &&
            tls_suite_present(s)) {
            p->suites[p->n_suites++] = s->id;
        }
    }
    if (p->n_groups > 0) {
        return;
    }
    for (size_t i = 0; i < N_GROUPS && p->n_groups < TLS_GROUPS_MAX; i++) {
        if (groups[i].by_default && tls_group_present(&groups[i])) {
            p->groups[p->n_groups++] = groups[i].id;
        }
    }
}

/* "A:B:C" of the suites that suit the versions. */
static void suite_list(const struct tls_params *p, char *buf, size_t n)
{
    size_t len = 0;

    buf[0] = '\0';
    for (uint8_t i = 0; i < p->n_suites; i++) {
        const struct tls_suite *s = tls_suite_by_id(p->suites[i]);

        if (suits(p, s) && len < n) {
            len += (size_t)snprintf(buf + len, n - len, "%s%s", len > 0 ? ":" : "", s->name);
        }
    }
}

/* The library's own names of curves; also what TLS 1.2 is held to. */
static void curve_list(const struct tls_params *p, char *buf, size_t n)
{
    size_t len = 0;

    buf[0] = '\0';
    for (uint8_t i = 0; i < p->n_groups; i++) {
        const struct tls_group *g = tls_group_by_id(p->groups[i]);

        if (g->id < 256 && len < n) {
            const char *name = g->alias != NULL ? g->alias : "X25519";
            len += (size_t)snprintf(buf + len, n - len, "%s%s", len > 0 ? ":" : "", name);
        }
    }
}

/*
 * Two calls: the list of names holds TLS 1.2 to these curves, the numbers also give TLS 1.3 the
 * groups that have no curve, and the order.
 */
static int apply_groups(const struct tls_params *p, WOLFSSL_CTX *ctx)
{
    char list[128];
    int ids[TLS_GROUPS_MAX];

    curve_list(p, list, sizeof(list));
    if (list[0] != '\0' && wolfSSL_CTX_set1_curves_list(ctx, list) != WOLFSSL_SUCCESS) {
        return -1;
    }
    for (uint8_t i = 0; i < p->n_groups; i++) {
        ids[i] = p->groups[i];
    }
    return wolfSSL_CTX_set_groups(ctx, ids, p->n_groups) == WOLFSSL_SUCCESS ? 0 : -1;
}

int tls_params_apply(const struct tls_params *p, WOLFSSL_CTX *ctx)
{
    char list[TLS_SUITES_MAX * 40];

    if (wolfSSL_CTX_SetMinVersion(ctx, p->min >= 4 ? WOLFSSL_TLSV1_3 : WOLFSSL_TLSV1_2) !=
            WOLFSSL_SUCCESS ||
        (p->max < 4 && wolfSSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION) != WOLFSSL_SUCCESS)) {
        return -1;
    }
    suite_list(p, list, sizeof(list));
    if (list[0] == '\0' || wolfSSL_CTX_set_cipher_list(ctx, list) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set1_sigalgs_list(ctx, tls_sigalgs) != WOLFSSL_SUCCESS) {
        return -1;
    }
    return apply_groups(p, ctx);
}

bool tls_params_hold(const struct tls_params *p, WOLFSSL *ssl)
{
    int minor = wolfSSL_version(ssl) & 0xff;
    uint16_t suite = (uint16_t)wolfSSL_get_current_cipher_suite(ssl);

    if (minor < p->min || minor > p->max) {
        return false;
    }
    for (uint8_t i = 0; i < p->n_suites; i++) {
        if (p->suites[i] == suite) {
            return true;
        }
    }
    return false;
}

void tls_facts_gather(struct tls_facts *f, WOLFSSL *ssl)
{
    const struct tls_suite *suite =
        tls_suite_by_id((uint16_t)wolfSSL_get_current_cipher_suite(ssl));
    const char *curve = wolfSSL_get_curve_name(ssl);
    const struct tls_group *group = curve == NULL ? NULL : tls_group_find(curve);

    f->version = tls_version_name(wolfSSL_version(ssl) & 0xff);
    f->cipher = suite != NULL ? suite->iana : NULL;
    f->group = group != NULL ? group->iana : curve;
    f->resumed = wolfSSL_session_reused(ssl) != 0;
}
