/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client certificate as other modules see it: names with their kind and their length, strings as
 * RFC 4514 writes them. Values with a NUL byte are left out, for whoever compares them may stop
 * there; a certificate whose fields cannot be read is none.
 */
#include "term.h"

#include <stdio.h>
#include <string.h>

#include <wolfssl/wolfcrypt/sha256.h>

#define NAME_MAX_TEXT 4096
#define SANS_MAX      256

enum { SAN_RFC822 = 0x81, SAN_DNS = 0x82, SAN_URI = 0x86, SAN_IP = 0x87 };

static struct pst_str keep(pst_conn *conn, const char *p, size_t n)
{
    char *copy = term_host->conn_alloc(conn, n + 1);
    struct pst_str s = { "", 0 };

    if (copy != NULL) {
        memcpy(copy, p, n);
        s.p = copy;
        s.n = n;
    }
    return s;
}

/* --- names ------------------------------------------------------------------------------------ */

static bool read_names(struct term_peer *peer, pst_conn *conn, const struct tls_x509 *x)
{
    char buf[NAME_MAX_TEXT];
    struct tls_text subject = { buf, 0, sizeof(buf), false }, issuer;
    struct tls_der cn, unused;

    if (!tls_text_name(&subject, &x->subject, &cn)) {
        return false;
    }
    peer->cert.subject = keep(conn, subject.p, subject.n);
    if (cn.n > 0 && memchr(cn.p, '\0', cn.n) == NULL) {
        peer->cert.subject_cn = keep(conn, (const char *)cn.p, cn.n);
    }
    issuer = (struct tls_text){ buf, 0, sizeof(buf), false };
    if (!tls_text_name(&issuer, &x->issuer, &unused)) {
        return false;
    }
    peer->cert.issuer = keep(conn, issuer.p, issuer.n);
    return true;
}

/* --- alternative names ------------------------------------------------------------------------ */

static uint32_t san_kind(uint8_t tag, const struct tls_der *v)
{
    bool text = v->n > 0 && memchr(v->p, '\0', v->n) == NULL;

    switch (tag) {
    case SAN_RFC822:
        return text ? PST_SAN_EMAIL : 0;
    case SAN_DNS:
        return text ? PST_SAN_DNS : 0;
    case SAN_URI:
        return text ? PST_SAN_URI : 0;
    case SAN_IP:
        return v->n == 4 || v->n == 16 ? PST_SAN_IP : 0;
    default:
        return 0;
    }
}

/* "dns:a,uri:b": for people and logs; commas in values are escaped. */
static void put_san(struct tls_text *t, const struct pst_san *san)
{
    static const char *const kinds[] = { "", "dns:", "email:", "uri:", "ip:" };

    tls_text_add(t, ",", t->n > 0 ? 1 : 0);
    tls_text_add(t, kinds[san->kind], strlen(kinds[san->kind]));
    if (san->kind == PST_SAN_IP) {
        tls_text_hex(t, (const uint8_t *)san->value.p, san->value.n);
        return;
    }
    for (size_t i = 0; i < san->value.n; i++) {
        tls_text_add(t, "\\", san->value.p[i] == ',' || san->value.p[i] == '\\' ? 1 : 0);
        tls_text_add(t, san->value.p + i, 1);
    }
}

static bool read_sans(struct term_peer *peer, pst_conn *conn, struct tls_der list)
{
    char buf[NAME_MAX_TEXT];
    struct tls_text t = { buf, 0, sizeof(buf), false };
    struct tls_der count = list, v;
    struct pst_san *sans;
    uint32_t n = 0;
    uint8_t tag;

    while (tls_der_next(&count, &tag, &v)) {
        n++;
    }
    if (count.n > 0 || n > SANS_MAX) {
        return false;
    }
    sans = term_host->conn_alloc(conn, (n + 1) * sizeof(*sans));
    if (sans == NULL) {
        return false;
    }
    peer->cert.sans = sans;
    while (tls_der_next(&list, &tag, &v)) {
        uint32_t kind = san_kind(tag, &v);

        if (kind != 0) {
            struct pst_san *san = &sans[peer->cert.n_sans++];

            *san = (struct pst_san){ .value = { (const char *)v.p, v.n }, .kind = kind };
            put_san(&t, san);
        }
    }
    peer->sans = keep(conn, t.p, t.n);
    return true;
}

struct term_peer *peer_parse(pst_conn *conn, const uint8_t *der, size_t n)
{
    struct term_peer *peer = term_host->conn_alloc(conn, sizeof(*peer));
    struct pst_str copy = keep(conn, (const char *)der, n);
    char serial[128];
    struct tls_text t = { serial, 0, sizeof(serial), false };
    struct tls_x509 x;

    if (peer == NULL || copy.n != n || tls_x509_read((const uint8_t *)copy.p, copy.n, &x) != 0) {
        return NULL;
    }
    peer->cert.size = sizeof(peer->cert);
    peer->cert.der = copy;
    peer->cert.not_before = x.not_before;
    peer->cert.not_after = x.not_after;
    tls_text_hex(&t, x.serial.p, x.serial.n);
    peer->cert.serial = keep(conn, t.p, t.n);
    if (t.full || !read_names(peer, conn, &x) || !read_sans(peer, conn, x.sans) ||
        wc_Sha256Hash(x.spki.p, (word32)x.spki.n, peer->cert.spki_sha256) != 0 ||
        wc_Sha256Hash(der, (word32)n, peer->cert.cert_sha256) != 0) {
        return NULL;
    }
    return peer;
}
