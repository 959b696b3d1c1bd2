/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets, TLS by OpenSSL (so that no proxy measured here meets its own library), checked bytes. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t/bench/load.h"

/* --- bytes that can be checked ---------------------------------------------------------------- */

#define PERIOD 65521 /* prime: no buffer size hides a shift */

void make_pattern(void)
{
    uint32_t x = 2463534242u;

    load_state.pattern = malloc(PERIOD + BULK_CHUNK);
    if (load_state.pattern == NULL) {
        abort();
    }
    for (size_t i = 0; i < PERIOD; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        load_state.pattern[i] = (uint8_t)(x >> 7);
    }
    for (size_t i = PERIOD; i < PERIOD + BULK_CHUNK; i++) {
        load_state.pattern[i] = load_state.pattern[i - PERIOD];
    }
}

const uint8_t *pattern_at(uint64_t off)
{
    return load_state.pattern + off % PERIOD;
}

/* Not for secrets: it has to notice bytes that were lost, moved or changed. */
void digest(uint8_t out[MSG_SIZE], const uint8_t *p, size_t n)
{
    uint64_t h = UINT64_C(0x9e3779b97f4a7c15) ^ n;

    for (; n >= 8; p += 8, n -= 8) {
        uint64_t w;

        memcpy(&w, p, 8);
        h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 29;
    }
    for (; n > 0; p++, n--) {
        h = (h ^ *p) * UINT64_C(0x100000001b3);
    }
    for (unsigned i = 0; i < MSG_SIZE / 8; i++) {
        h = (h ^ (h >> 31)) * UINT64_C(0xc4ceb9fe1a85ec53) + i;
        memcpy(out + i * 8, &h, 8);
    }
}

/* --- TLS -------------------------------------------------------------------------------------- */

#ifdef HAVE_BENCH_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>

static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
static char negotiated[160];

static int on_session(SSL *ssl, SSL_SESSION *s)
{
    struct conn *c = SSL_get_app_data(ssl);

    SSL_SESSION_free(c->session);
    c->session = s;
    return 1;
}

void *io_context(const struct options *o)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    int version = o->tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;

    if (ctx == NULL) {
        return NULL;
    }
    SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(
        ctx, o->resume ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL : SSL_SESS_CACHE_OFF);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
    if (SSL_CTX_set_min_proto_version(ctx, version) != 1 ||
        SSL_CTX_set_max_proto_version(ctx, version) != 1 ||
        (o->groups != NULL && SSL_CTX_set1_groups_list(ctx, o->groups) != 1) ||
        (o->suites != NULL && (o->tls12 ? SSL_CTX_set_cipher_list(ctx, o->suites)
                                        : SSL_CTX_set_ciphersuites(ctx, o->suites)) != 1) ||
        (o->cert != NULL && (SSL_CTX_use_certificate_chain_file(ctx, o->cert) != 1 ||
                             SSL_CTX_use_PrivateKey_file(ctx, o->key, SSL_FILETYPE_PEM) != 1))) {
        ERR_print_errors_fp(stderr);
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

bool io_tls_start(struct conn *c)
{
    char name[64];
    SSL *ssl = SSL_new(c->t->ctx);

    if (ssl == NULL || SSL_set_fd(ssl, c->fd) != 1) {
        SSL_free(ssl);
        return false;
    }
    (void)snprintf(name, sizeof(name), "n%06u.bench.test", (unsigned)(c->nonce % c->t->o->names));
    SSL_set_tlsext_host_name(ssl, name);
    SSL_set_app_data(ssl, c);
    if (c->session != NULL) {
        SSL_set_session(ssl, c->session);
    }
    SSL_set_connect_state(ssl);
    c->ssl = ssl;
    return true;
}

static void note(SSL *ssl)
{
    pthread_mutex_lock(&once);
    if (negotiated[0] == '\0') {
        X509 *x = SSL_get0_peer_certificate(ssl);
        EVP_PKEY *k = x == NULL ? NULL : X509_get0_pubkey(x);
        int group = SSL_get_negotiated_group(ssl);

        (void)snprintf(negotiated, sizeof(negotiated), "%s %s %s %s%d", SSL_get_version(ssl),
                       SSL_get_cipher_name(ssl), group == 0 ? "-" : SSL_group_to_name(ssl, group),
                       k == NULL ? "none" : EVP_PKEY_get0_type_name(k),
                       k == NULL ? 0 : EVP_PKEY_get_bits(k));
    }
    pthread_mutex_unlock(&once);
}

const char *io_negotiated(void)
{
    return negotiated;
}

static ssize_t tls_result(struct conn *c, int rc)
{
    switch (SSL_get_error(c->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return IO_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        io_arm(c, EPOLLIN | EPOLLOUT);
        return IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return IO_EOF;
    default:
        return IO_ERROR;
    }
}

int io_handshake(struct conn *c)
{
    int rc;

    ERR_clear_error();
    rc = SSL_do_handshake(c->ssl);
    if (rc != 1) {
        ssize_t r = tls_result(c, rc);

        if (r != IO_AGAIN) {
            unsigned long e = ERR_peek_last_error();

            load_error("TLS handshake", e != 0 ? ERR_reason_error_string(e) : strerror(errno));
        }
        return r == IO_AGAIN ? 0 : -1;
    }
    note(c->ssl);
    atomic_fetch_add(SSL_session_reused(c->ssl) ? &c->t->resumed : &c->t->full, 1);
    return 1;
}

static ssize_t tls_read(struct conn *c, void *p, size_t n)
{
    int rc;

    ERR_clear_error();
    rc = SSL_read(c->ssl, p, (int)n);
    return rc > 0 ? rc : tls_result(c, rc);
}

static ssize_t tls_write(struct conn *c, const void *p, size_t n)
{
    int rc;

    ERR_clear_error();
    rc = SSL_write(c->ssl, p, (int)n);
    return rc > 0 ? rc : tls_result(c, rc);
}

static void tls_close(struct conn *c)
{
    ERR_clear_error();
    if (SSL_is_init_finished(c->ssl)) {
        (void)SSL_shutdown(c->ssl);
    }
    SSL_free(c->ssl);
    c->ssl = NULL;
}
#else
void *io_context(const struct options *o)
{
    (void)o;
    fputs("load: built without OpenSSL\n", stderr);
    return NULL;
}

bool io_tls_start(struct conn *c)
{
    (void)c;
    return false;
}

const char *io_negotiated(void)
{
    return "";
}

int io_handshake(struct conn *c)
{
    (void)c;
    return -1;
}

static ssize_t tls_read(struct conn *c, void *p, size_t n)
{
    (void)c, (void)p, (void)n;
    return IO_ERROR;
}

static ssize_t tls_write(struct conn *c, const void *p, size_t n)
{
    (void)c, (void)p, (void)n;
    return IO_ERROR;
}

static void tls_close(struct conn *c)
{
    (void)c;
}
#endif

/* --- both ------------------------------------------------------------------------------------- */

ssize_t io_read(struct conn *c, void *p, size_t n)
{
    ssize_t r;

    if (c->ssl != NULL) {
        return tls_read(c, p, n);
    }
    r = recv(c->fd, p, n, 0);
    return r >= 0 ? r : errno == EAGAIN ? IO_AGAIN : IO_ERROR;
}

ssize_t io_write(struct conn *c, const void *p, size_t n)
{
    ssize_t r;

    if (c->ssl != NULL) {
        return tls_write(c, p, n);
    }
    r = send(c->fd, p, n, MSG_NOSIGNAL);
    return r >= 0 ? r : errno == EAGAIN ? IO_AGAIN : IO_ERROR;
}

bool io_send(struct conn *c, const void *p, size_t n)
{
    if (io_write(c, p, n) != (ssize_t)n) {
        load_error("small message not taken whole", strerror(errno));
        return false;
    }
    return true;
}

void io_close(struct conn *c)
{
    if (c->ssl != NULL) {
        tls_close(c);
    }
    if (c->fd >= 0) {
        (void)close(c->fd);
        c->fd = -1;
    }
    free(c->keep);
    c->keep = NULL;
    c->n_keep = 0;
}

void io_arm(struct conn *c, uint32_t events)
{
    struct epoll_event e = { .events = events, .data.ptr = c };

    if (c->armed == events) {
        return;
    }
    if (epoll_ctl(c->t->epoll, c->armed == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, c->fd, &e) != 0) {
        load_error("epoll_ctl", strerror(errno));
    }
    c->armed = events;
}
