/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Session tickets (RFC 5077, RFC 8446 section 4.6.1): AES-256-GCM under keys that change by
 * themselves, or those of a file. All workers of an edge share one ring of keys, which a reload
 * hands on. The seal
 * covers the edge's policy, so a ticket is worth nothing on any other edge or after the policy
 * changed; wolfSSL itself would resume a session on whatever context opens its ticket.
 */
#include "term.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <wolfssl/wolfcrypt/aes.h>

/* Enough of those that change by themselves. */
#define RING_KEYS 3
#define NONCE     12
#define TAG       16
#define KEY_NAME  TICKET_KEY_NAME
/* Seconds by which readings of the clock may be out of order. */
#define CLOCK_SLACK 60

/* Guarded by the lock but for the first two. */
struct ticket_ring {
    atomic_uint refs;
    bool rotates;
    pthread_mutex_t lock;
    struct ticket_key keys[TICKET_KEYS_MAX]; /* newest first */
};

static uint64_t seconds_now(void)
{
    return term_host->wall_us() / 1000000;
}

/* Put a fresh key in front. On failure the ring stays as it was. */
static int rotate(struct ticket_ring *r, uint64_t now)
{
    struct ticket_key fresh = { .since = now };

    if (tls_random(fresh.name, sizeof(fresh.name)) != 0 ||
        tls_random(fresh.key, sizeof(fresh.key)) != 0) {
        return -1;
    }
    memmove(&r->keys[1], &r->keys[0], (RING_KEYS - 1) * sizeof(r->keys[0]));
    r->keys[0] = fresh;
    explicit_bzero(&fresh, sizeof(fresh));
    return 0;
}

static struct ticket_ring *make_ring(bool rotates)
{
    struct ticket_ring *r = calloc(1, sizeof(*r));

    if (r == NULL) {
        return NULL;
    }
    atomic_init(&r->refs, 1);
    r->rotates = rotates;
    if (pthread_mutex_init(&r->lock, NULL) != 0) {
        free(r);
        return NULL;
    }
    return r;
}

struct ticket_ring *ticket_ring_of(const struct ticket_key *keys, uint32_t n)
{
    struct ticket_ring *r = make_ring(false);

    if (r != NULL) {
        memcpy(r->keys, keys, n * sizeof(*keys));
    }
    return r;
}

bool ticket_ring_rotates(const struct ticket_ring *r)
{
    return r->rotates;
}

struct ticket_ring *ticket_ring_new(void)
{
    struct ticket_ring *r = make_ring(true);

    if (r == NULL) {
        return NULL;
    }
    if (rotate(r, seconds_now()) != 0) {
        ticket_ring_unref(r);
        return NULL;
    }
    return r;
}

struct ticket_ring *ticket_ring_ref(struct ticket_ring *r)
{
    atomic_fetch_add(&r->refs, 1);
    return r;
}

void ticket_ring_unref(struct ticket_ring *r)
{
    if (r == NULL || atomic_fetch_sub(&r->refs, 1) != 1) {
        return;
    }
    (void)pthread_mutex_destroy(&r->lock);
    explicit_bzero(r->keys, sizeof(r->keys));
    free(r);
}

/*
 * The key to seal with. It changes after a lifetime, and an older one is kept for the tickets of
 * one more: three keys are enough.
 */
static bool newest_key(struct ticket_ring *r, uint64_t now, uint32_t lifetime,
                       struct ticket_key *out)
{
    bool ok = true;
    uint64_t since;

    pthread_mutex_lock(&r->lock);
    since = r->keys[0].since;
    /* A clock that was set back must not keep a key for ever; workers differ by less. */
    if (r->rotates && (now >= since + lifetime || now + CLOCK_SLACK < since)) {
        ok = rotate(r, now) == 0;
    }
    *out = r->keys[0];
    pthread_mutex_unlock(&r->lock);
    return ok;
}

static bool named_key(struct ticket_ring *r, const uint8_t name[KEY_NAME], struct ticket_key *out)
{
    bool found = false;

    pthread_mutex_lock(&r->lock);
    for (int i = 0; i < TICKET_KEYS_MAX && !found; i++) {
        if (r->keys[i].since != 0 && memcmp(r->keys[i].name, name, KEY_NAME) == 0) {
            *out = r->keys[i];
            found = true;
        }
    }
    pthread_mutex_unlock(&r->lock);
    return found;
}

static void put_time(uint8_t *p, uint64_t t)
{
    p[0] = (uint8_t)(t >> 24);
    p[1] = (uint8_t)(t >> 16);
    p[2] = (uint8_t)(t >> 8);
    p[3] = (uint8_t)t;
}

static uint64_t get_time(const uint8_t *p)
{
    return (uint64_t)p[0] << 24 | (uint64_t)p[1] << 16 | (uint64_t)p[2] << 8 | p[3];
}

/* The field `iv` has room for the nonce and, behind it, the time of issue. */
static int crypt_with(const struct term_tickets *k, const struct ticket_key *key,
                      const uint8_t iv[16], uint8_t mac[32], bool seal, uint8_t *ticket, size_t n)
{
    uint8_t aad[KEY_NAME + 16 + TERM_DIGEST];
    Aes aes;
    int rc;

    memcpy(aad, key->name, KEY_NAME);
    memcpy(aad + KEY_NAME, iv, 16);
    memcpy(aad + KEY_NAME + 16, k->policy, TERM_DIGEST);
    if (wc_AesInit(&aes, NULL, INVALID_DEVID) != 0) {
        return -1;
    }
    rc = wc_AesGcmSetKey(&aes, key->key, sizeof(key->key));
    if (rc == 0 && seal) {
        rc = wc_AesGcmEncrypt(&aes, ticket, ticket, (word32)n, iv, NONCE, mac, TAG, aad,
                              sizeof(aad));
    } else if (rc == 0) {
        rc = wc_AesGcmDecrypt(&aes, ticket, ticket, (word32)n, iv, NONCE, mac, TAG, aad,
                              sizeof(aad));
    }
    wc_AesFree(&aes);
    return rc;
}

static int seal_ticket(const struct term_tickets *k, struct ticket_key *key, uint8_t *name,
                       uint8_t *iv, uint8_t *mac, uint8_t *ticket, size_t n, uint64_t now)
{
    if (!newest_key(k->ring, now, k->lifetime, key) || tls_random(iv, NONCE) != 0) {
        return WOLFSSL_TICKET_RET_FATAL;
    }
    put_time(iv + NONCE, now);
    memcpy(name, key->name, KEY_NAME);
    memset(mac + TAG, 0, 32 - TAG);
    return crypt_with(k, key, iv, mac, true, ticket, n) == 0 ? WOLFSSL_TICKET_RET_OK
                                                             : WOLFSSL_TICKET_RET_FATAL;
}

static int open_ticket(const struct term_tickets *k, struct ticket_key *key, const uint8_t *name,
                       const uint8_t *iv, uint8_t *mac, uint8_t *ticket, size_t n, uint64_t now)
{
    uint64_t age = (now & 0xffffffff) - get_time(iv + NONCE);

    if (age > k->lifetime || !named_key(k->ring, name, key) ||
        crypt_with(k, key, iv, mac, false, ticket, n) != 0) {
        return WOLFSSL_TICKET_RET_REJECT;
    }
    /* Half of its time is over: the client gets a new one. */
    return age > k->lifetime / 2 ? WOLFSSL_TICKET_RET_CREATE : WOLFSSL_TICKET_RET_OK;
}

int tickets_crypt(const struct term_tickets *k, uint8_t name[16], uint8_t iv[16], uint8_t mac[32],
                  bool seal, uint8_t *ticket, size_t n, uint64_t now)
{
    struct ticket_key key = { .since = 0 };
    int rc = seal ? seal_ticket(k, &key, name, iv, mac, ticket, n, now)
                  : open_ticket(k, &key, name, iv, mac, ticket, n, now);

    explicit_bzero(&key, sizeof(key));
    return rc;
}

static int on_ticket(WOLFSSL *ssl, unsigned char name[WOLFSSL_TICKET_NAME_SZ],
                     unsigned char iv[WOLFSSL_TICKET_IV_SZ],
                     unsigned char mac[WOLFSSL_TICKET_MAC_SZ], int enc, unsigned char *ticket,
                     int in_len, int *out_len, void *ctx)
{
    (void)ssl;
    if (in_len < 0) {
        return WOLFSSL_TICKET_RET_FATAL;
    }
    *out_len = in_len;
    return tickets_crypt(ctx, name, iv, mac, enc != 0, ticket, (size_t)in_len, seconds_now());
}

/* Without it wolfSSL would take tickets under keys of its own. */
static int on_unwanted(WOLFSSL *ssl, unsigned char name[WOLFSSL_TICKET_NAME_SZ],
                       unsigned char iv[WOLFSSL_TICKET_IV_SZ],
                       unsigned char mac[WOLFSSL_TICKET_MAC_SZ], int enc, unsigned char *ticket,
                       int in_len, int *out_len, void *ctx)
{
    (void)ssl;
    (void)name;
    (void)iv;
    (void)mac;
    (void)enc;
    (void)ticket;
    (void)ctx;
    *out_len = in_len;
    return WOLFSSL_TICKET_RET_REJECT;
}

int tickets_refuse(WOLFSSL_CTX *ctx)
{
    return wolfSSL_CTX_no_ticket_TLSv13(ctx) == 0 &&
                   wolfSSL_CTX_NoTicketTLSv12(ctx) == WOLFSSL_SUCCESS &&
                   wolfSSL_CTX_set_TicketEncCb(ctx, on_unwanted) == WOLFSSL_SUCCESS
               ? 0
               : -1;
}

int tickets_apply(struct term_tickets *k, WOLFSSL_CTX *ctx)
{
    return wolfSSL_CTX_set_TicketEncCb(ctx, on_ticket) == WOLFSSL_SUCCESS &&
                   wolfSSL_CTX_set_TicketEncCtx(ctx, k) == WOLFSSL_SUCCESS &&
                   wolfSSL_CTX_set_TicketHint(ctx, (int)k->lifetime) == WOLFSSL_SUCCESS &&
                   wolfSSL_CTX_set_timeout(ctx, k->lifetime) >= 0
               ? 0
               : -1;
}
