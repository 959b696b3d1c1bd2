/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions that can be resumed, as the bytes wolfSSL makes of them: an object of its own would be
 * shared with connections that change it.
 */
#include "utls.h"

#include <stdlib.h>
#include <string.h>

#define ENTRIES 64
#define SECOND  UINT64_C(1000000000)
/* After this the upstream has to show its certificate again. */
#define AGE_MAX (3600 * SECOND)
/* How long resumption is not tried after it did harm. */
#define REFUSED  (300 * SECOND)
#define BLOB_MAX (32 * 1024)
/*
 * A session may descend from so many resumptions. wolfSSL 5.9 as a server counts them, and ends
 * the connection near 255.
 */
#define DEPTH_MAX 100

struct entry {
    uint8_t key[UTLS_DIGEST];
    uint8_t *blob; /* NULL: nothing to offer */
    int blob_n;
    char *subject;
    struct utls_peer peer;
    uint32_t depth;
    uint64_t used, refused_until; /* 0: never */
};

struct utls_cache {
    struct entry entries[ENTRIES];
};

struct utls_cache *cache_new(void)
{
    return calloc(1, sizeof(struct utls_cache));
}

static void clear(struct entry *e)
{
    if (e->blob != NULL) {
        explicit_bzero(e->blob, (size_t)e->blob_n);
    }
    free(e->blob);
    free(e->subject);
    e->blob = NULL;
    e->subject = NULL;
}

void cache_free(struct utls_cache *c)
{
    for (size_t i = 0; c != NULL && i < ENTRIES; i++) {
        clear(&c->entries[i]);
    }
    free(c);
}

bool cache_key(uint8_t key[UTLS_DIGEST], const struct pst_upstream_target *t,
               const struct utls_who *who, const struct tls_alpn *alpn)
{
    wc_Sha256 sha;
    int rc = 0;

    if (wc_InitSha256(&sha) != 0) {
        return false;
    }
    rc |= tls_digest_mix(&sha, t->name.p, t->name.n);
    rc |= tls_digest_mix(&sha, &t->addr, sizeof(t->addr));
    rc |= tls_digest_mix(&sha, who->name.p, who->name.n);
    rc |= tls_digest_mix(&sha, &who->ip, sizeof(who->ip));
    rc |= tls_digest_mix(&sha, alpn->list, strlen(alpn->list));
    rc |= wc_Sha256Final(&sha, key);
    wc_Sha256Free(&sha);
    return rc == 0;
}

static struct entry *find(struct utls_cache *c, const uint8_t key[UTLS_DIGEST])
{
    for (size_t i = 0; i < ENTRIES; i++) {
        struct entry *e = &c->entries[i];

        if (e->used != 0 && memcmp(e->key, key, UTLS_DIGEST) == 0) {
            return e;
        }
    }
    return NULL;
}

/* The entry of this key, or the one that was used longest ago, made its own. */
static struct entry *take(struct utls_cache *c, const uint8_t key[UTLS_DIGEST])
{
    struct entry *e = find(c, key);

    if (e != NULL) {
        return e;
    }
    e = &c->entries[0];
    for (size_t i = 1; i < ENTRIES; i++) {
        e = c->entries[i].used < e->used ? &c->entries[i] : e;
    }
    clear(e);
    memset(e, 0, sizeof(*e));
    memcpy(e->key, key, UTLS_DIGEST);
    return e;
}

static bool is_stale(const struct entry *e, uint64_t now)
{
    return now - e->peer.verified_at > AGE_MAX ||
           utls_host->wall_us() / 1000000 >= e->peer.not_after;
}

bool cache_offer(struct utls_cache *c, const uint8_t key[UTLS_DIGEST], WOLFSSL *ssl,
                 struct utls_peer *peer, uint32_t *depth)
{
    uint64_t now = utls_host->now_ns();
    struct entry *e = find(c, key);
    WOLFSSL_SESSION *session;
    const unsigned char *p;
    bool set;

    if (e == NULL || e->blob == NULL) {
        return false;
    }
    if (is_stale(e, now)) {
        clear(e);
        return false;
    }
    p = e->blob;
    session = wolfSSL_d2i_SSL_SESSION(NULL, &p, e->blob_n);
    set = session != NULL && wolfSSL_set_session(ssl, session) == WOLFSSL_SUCCESS;
    wolfSSL_SESSION_free(session);
    wolfSSL_ERR_clear_error();
    if (!set) {
        clear(e);
        return false;
    }
    e->used = now;
    *peer = e->peer;
    *depth = e->depth;
    return true;
}

/* The bytes of a session; NULL: it cannot be resumed, or no memory. */
static uint8_t *bytes_of(WOLFSSL *ssl, int *n)
{
    WOLFSSL_SESSION *session = wolfSSL_get1_session(ssl);
    uint8_t *blob = NULL;
    unsigned char *p;

    if (session == NULL) {
        return NULL;
    }
    *n = wolfSSL_SESSION_is_resumable(session) ? wolfSSL_i2d_SSL_SESSION(session, NULL) : 0;
    if (*n > 0 && *n <= BLOB_MAX) {
        p = blob = malloc((size_t)*n);
    }
    if (blob != NULL && wolfSSL_i2d_SSL_SESSION(session, &p) != *n) {
        free(blob);
        blob = NULL;
    }
    wolfSSL_SESSION_free(session);
    wolfSSL_ERR_clear_error();
    return blob;
}

void cache_keep(struct utls_cache *c, const uint8_t key[UTLS_DIGEST], WOLFSSL *ssl,
                const struct utls_peer *peer, uint32_t depth)
{
    uint64_t now = utls_host->now_ns();
    struct entry *e = find(c, key);
    uint8_t *blob;
    char *subject;
    int n = 0;

    if (depth > DEPTH_MAX || (e != NULL && e->refused_until > now)) {
        return;
    }
    blob = bytes_of(ssl, &n);
    subject = malloc(peer->subject.n + 1);
    if (blob == NULL || subject == NULL) {
        free(blob);
        free(subject);
        return;
    }
    memcpy(subject, peer->subject.p != NULL ? peer->subject.p : "", peer->subject.n);
    e = take(c, key);
    clear(e);
    e->blob = blob;
    e->blob_n = n;
    e->subject = subject;
    e->peer = *peer;
    e->peer.subject.p = subject;
    e->depth = depth;
    e->used = now;
}

void cache_refuse(struct utls_cache *c, const uint8_t key[UTLS_DIGEST])
{
    uint64_t now = utls_host->now_ns();
    struct entry *e = take(c, key);

    clear(e);
    e->used = now;
    e->refused_until = now + REFUSED;
}
