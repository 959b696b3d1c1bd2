/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A gauge once defined stays for the life of the process, so names have slots, which are never
 * given away again; what is in no slot still counts for the first of all.
 */
#include "tls-common/tls_expiry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUP        "tls"
#define HELP         "End of a certificate, Unix time; 0: it is not in use any more."
#define HELP_FIRST   "End of the certificate that ends first, Unix time; 0: there is none."
#define NAME_SHOWN   72 /* of a certificate's name, NUL included */
#define SAN_DNS_NAME 0x82

struct tls_expiry_cert {
    char name[NAME_SHOWN], key[16];
    uint64_t not_after;
    struct slot *slot; /* while it is shown; NULL: there is no room for its name */
    struct tls_expiry_cert *next, *prev; /* of its slot */
};

/* A gauge, and the value it has. */
struct gauge {
    int32_t id;
    int64_t value;
};

struct slot {
    char name[NAME_SHOWN], key[16];
    struct gauge gauge;
    struct tls_expiry_cert *certs; /* shown ones: of several edges, of two generations */
};

/* One set a module: each has this file linked into it. */
static const struct pst_host *expiry_host;
static const char *expiry_module;
static struct tls_expiry *shown;
static struct gauge first;
static struct slot slots[TLS_EXPIRY_NAMES];
static uint32_t n_slots;

/* --- names ------------------------------------------------------------------------------------ */

/* What a label may hold without being quoted, which leaves host names as they are. */
static void copy_name(char out[NAME_SHOWN], const uint8_t *p, size_t n)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                ".-_*:@ ";
    size_t i = 0;

    for (; i < n && i < NAME_SHOWN - 1; i++) {
        out[i] = p[i] != '\0' && strchr(plain, p[i]) != NULL ? (char)p[i] : '_';
    }
    out[i] = '\0';
}

/* The first DNS name, else the common name. It outlives renewals, which serial numbers do not. */
static void name_of(const struct tls_x509 *x, char out[NAME_SHOWN])
{
    struct tls_der list = x->sans, v, cn = { NULL, 0 };
    char whole[1024];
    struct tls_text text = { .p = whole, .room = sizeof(whole) };
    uint8_t tag;

    while (list.n > 0 && tls_der_next(&list, &tag, &v)) {
        if (tag == SAN_DNS_NAME && v.n > 0) {
            copy_name(out, v.p, v.n);
            return;
        }
    }
    (void)tls_text_name(&text, &x->subject, &cn);
    copy_name(out, cn.p, cn.n);
}

/* --- gauges ----------------------------------------------------------------------------------- */

/*
 * There may be ten thousand instances, and all of them come and go in a reload: each does no more
 * than its own certificates ask for.
 */
static void set(struct gauge *g, uint64_t value)
{
    int64_t now = value > INT64_MAX ? INT64_MAX : (int64_t)value;

    expiry_host->metric_add(g->id, now - g->value);
    g->value = now;
}

/* The slot of a certificate; NULL: there is no room for its name. */
static struct slot *slot_of(const struct tls_expiry_cert *c)
{
    for (struct slot *s = slots; s < slots + n_slots; s++) {
        if (strcmp(s->name, c->name) == 0 && strcmp(s->key, c->key) == 0) {
            return s;
        }
    }
    return NULL;
}

static struct slot *slot_make(const struct tls_expiry_cert *c)
{
    struct slot *s = &slots[n_slots];
    char metric[192];

    if (n_slots == TLS_EXPIRY_NAMES) {
        return NULL;
    }
    snprintf(metric, sizeof(metric),
             "certificate_not_after_seconds{module=\"%s\",name=\"%s\",key=\"%s\"}", expiry_module,
             c->name, c->key);
    s->gauge.id = expiry_host->metric_define(GROUP, metric, HELP, PST_METRIC_GAUGE);
    if (s->gauge.id < 0) {
        return NULL;
    }
    memcpy(s->name, c->name, sizeof(s->name));
    memcpy(s->key, c->key, sizeof(s->key));
    n_slots++;
    return s;
}

static void keep_least(uint64_t *at, uint64_t value)
{
    if (value != 0 && (*at == 0 || value < *at)) {
        *at = value;
    }
}

static bool is_least(const struct gauge *g, uint64_t value)
{
    return value != 0 && (g->value == 0 || value < (uint64_t)g->value);
}

static void cert_show(struct tls_expiry_cert *c)
{
    struct slot *s = slot_of(c);

    c->slot = s != NULL ? s : slot_make(c);
    s = c->slot;
    if (s == NULL) {
        return;
    }
    c->prev = NULL;
    c->next = s->certs;
    if (c->next != NULL) {
        c->next->prev = c;
    }
    s->certs = c;
    if (is_least(&s->gauge, c->not_after)) {
        set(&s->gauge, c->not_after);
    }
}

static void cert_hide(struct tls_expiry_cert *c)
{
    struct slot *s = c->slot;
    uint64_t least = 0;

    if (s == NULL) {
        return;
    }
    *(c->prev != NULL ? &c->prev->next : &s->certs) = c->next;
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    if (c->not_after != (uint64_t)s->gauge.value) {
        return;
    }
    for (c = s->certs; c != NULL && least != (uint64_t)s->gauge.value; c = c->next) {
        keep_least(&least, c->not_after);
    }
    set(&s->gauge, least);
}

/* --- instances -------------------------------------------------------------------------------- */

void tls_expiry_setup(const struct pst_host *host, const char *module)
{
    expiry_host = host;
    expiry_module = module;
    shown = NULL;
    memset(slots, 0, sizeof(slots));
    n_slots = 0;
    first = (struct gauge){ -1, 0 };
}

int32_t tls_expiry_add(struct tls_expiry *e, const struct tls_x509 *x)
{
    struct tls_expiry_cert *larger;

    keep_least(&e->first, x->not_after);
    if (e->n == TLS_EXPIRY_NAMES) {
        return PST_OK;
    }
    larger = reallocarray(e->certs, e->n + 1, sizeof(*larger));
    if (larger == NULL) {
        return PST_ERR_NOMEM;
    }
    e->certs = larger;
    larger += e->n++;
    name_of(x, larger->name);
    tls_x509_key_name(x, larger->key, sizeof(larger->key));
    larger->not_after = x->not_after;
    return PST_OK;
}

void tls_expiry_show(struct tls_expiry *e)
{
    char metric[64];

    if (e->first == 0) {
        return;
    }
    if (first.id < 0) {
        snprintf(metric, sizeof(metric), "certificate_first_not_after_seconds{module=\"%s\"}",
                 expiry_module);
        first.id = expiry_host->metric_define(GROUP, metric, HELP_FIRST, PST_METRIC_GAUGE);
    }
    for (uint32_t i = 0; i < e->n; i++) {
        cert_show(&e->certs[i]);
    }
    e->shown = true;
    e->prev = NULL;
    e->next = shown;
    if (e->next != NULL) {
        e->next->prev = e;
    }
    shown = e;
    if (is_least(&first, e->first)) {
        set(&first, e->first);
    }
}

void tls_expiry_hide(struct tls_expiry *e)
{
    uint64_t least = 0;

    if (!e->shown) {
        return;
    }
    for (uint32_t i = 0; i < e->n; i++) {
        cert_hide(&e->certs[i]);
    }
    *(e->prev != NULL ? &e->prev->next : &shown) = e->next;
    if (e->next != NULL) {
        e->next->prev = e->prev;
    }
    e->shown = false;
    if (e->first != (uint64_t)first.value) {
        return;
    }
    for (e = shown; e != NULL && least != (uint64_t)first.value; e = e->next) {
        keep_least(&least, e->first);
    }
    set(&first, least);
}

void tls_expiry_free(struct tls_expiry *e)
{
    tls_expiry_hide(e);
    free(e->certs);
    e->certs = NULL;
    e->n = 0;
}
