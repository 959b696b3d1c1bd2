/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does a private key belong to a certificate? Some builds of wolfSSL say yes to any pair of EC keys
 * (5.5.4 as Debian builds it), so it is tried: a handshake in memory, in which the client has to
 * verify what the server signed.
 */
#include "tls-common/tls_common.h"

#include <stdlib.h>
#include <string.h>

/* More flights than any handshake has. */
#define TURNS 12
/* A flight beside its certificates. */
#define FLIGHT ((size_t)16 * 1024)

/* One direction between the two. */
struct pipe_end {
    uint8_t *p;
    size_t n, off, room;
};

struct ends {
    struct pipe_end *in, *out;
};

static int end_recv(WOLFSSL *ssl, char *buf, int sz, void *ctx)
{
    struct pipe_end *e = ((struct ends *)ctx)->in;
    size_t n = e->n - e->off < (size_t)sz ? e->n - e->off : (size_t)sz;

    (void)ssl;
    if (n == 0) {
        return WOLFSSL_CBIO_ERR_WANT_READ;
    }
    memcpy(buf, e->p + e->off, n);
    e->off += n;
    if (e->off == e->n) {
        e->off = e->n = 0;
    }
    return (int)n;
}

static int end_send(WOLFSSL *ssl, char *buf, int sz, void *ctx)
{
    struct pipe_end *e = ((struct ends *)ctx)->out;

    (void)ssl;
    if ((size_t)sz > e->room - e->n) {
        return WOLFSSL_CBIO_ERR_GENERAL;
    }
    memcpy(e->p + e->n, buf, (size_t)sz);
    e->n += (size_t)sz;
    return sz;
}

static WOLFSSL *make_end(WOLFSSL_CTX *ctx, struct ends *ends)
{
    WOLFSSL *ssl = wolfSSL_new(ctx);

    if (ssl != NULL) {
        wolfSSL_SSLSetIORecv(ssl, end_recv);
        wolfSSL_SSLSetIOSend(ssl, end_send);
        wolfSSL_SetIOReadCtx(ssl, ends);
        wolfSSL_SetIOWriteCtx(ssl, ends);
    }
    return ssl;
}

/* True when the client is content. */
static bool shake_hands(WOLFSSL *server, WOLFSSL *client)
{
    for (int i = 0; i < TURNS; i++) {
        int rc = wolfSSL_connect(client);

        if (rc == WOLFSSL_SUCCESS) {
            return true;
        }
        if (wolfSSL_get_error(client, rc) != WOLFSSL_ERROR_WANT_READ) {
            return false;
        }
        rc = wolfSSL_accept(server);
        if (rc != WOLFSSL_SUCCESS && wolfSSL_get_error(server, rc) != WOLFSSL_ERROR_WANT_READ) {
            return false;
        }
    }
    return false;
}

bool tls_cred_proves(const struct tls_cred *c, WOLFSSL_CTX *server_ctx)
{
    WOLFSSL_CTX *client_ctx = wolfSSL_CTX_new(wolfSSLv23_client_method());
    struct pipe_end up = { .room = FLIGHT }, down = { .room = FLIGHT + c->chain_n };
    struct ends at_server = { &up, &down }, at_client = { &down, &up };
    WOLFSSL *server = NULL, *client = NULL;
    bool proven = false;

    up.p = malloc(up.room);
    down.p = malloc(down.room);
    if (client_ctx != NULL && up.p != NULL && down.p != NULL) {
        (void)wolfSSL_CTX_set_session_cache_mode(server_ctx, WOLFSSL_SESS_CACHE_OFF);
        (void)wolfSSL_CTX_set_session_cache_mode(client_ctx, WOLFSSL_SESS_CACHE_OFF);
        wolfSSL_CTX_set_verify(client_ctx, WOLFSSL_VERIFY_NONE, NULL);
        server = make_end(server_ctx, &at_server);
        client = make_end(client_ctx, &at_client);
        proven = server != NULL && client != NULL && shake_hands(server, client);
    }
    wolfSSL_free(server);
    wolfSSL_free(client);
    wolfSSL_CTX_free(client_ctx);
    wolfSSL_ERR_clear_error();
    free(up.p);
    free(down.p);
    return proven;
}
