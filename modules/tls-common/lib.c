/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The library's life, what each thread needs of it, and its texts. */
#include "tls-common/tls_common.h"

#include <stdio.h>
#include <string.h>

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#if TLS_HAVE_CPUID_CLEAR
#include <wolfssl/wolfcrypt/cpuid.h>
#endif

#include "tls-common/tls_thread.h"

_Thread_local struct tls_thread tls_thread;

int32_t tls_lib_init(void)
{
#if TLS_HAVE_CPUID_CLEAR && defined(CPUID_SHA)
    /*
     * In 5.9 the elliptic-curve code leaves AVX registers dirty, behind which the SHA instructions
     * crawl: handshakes take twice the time. Without them SHA-256 is as fast as it was before.
     */
    cpuid_clear_flag(CPUID_SHA);
#endif
    return wolfSSL_Init() == WOLFSSL_SUCCESS ? PST_OK : PST_ERR;
}

void tls_lib_cleanup(void)
{
    (void)wolfSSL_Cleanup();
}

const char *tls_version_string(void)
{
    static char text[128];

    snprintf(text, sizeof(text), "%s (wolfSSL %s, %s)", TLS_VERSION, wolfSSL_lib_version(),
             TLS_LIBRARY_ACCEL[0] == '\0' ? "no acceleration" : TLS_LIBRARY_ACCEL);
    return text;
}

/* wolfSSL wants 80 bytes (WOLFSSL_MAX_ERROR_SZ) and does not say how much it writes. */
const char *tls_error_text(int err, char *buf, size_t n)
{
    char text[WOLFSSL_MAX_ERROR_SZ] = "";

    wolfSSL_ERR_error_string_n((unsigned long)(err < 0 ? -err : err), text, sizeof(text));
    snprintf(buf, n, "%s", text);
    return buf;
}

int32_t tls_thread_enter(void)
{
    struct tls_thread *t = &tls_thread;

    if (t->users++ > 0) {
        return PST_OK;
    }
    t->rng_ready = wc_InitRng(&t->rng) == 0;
    if (!t->rng_ready || tls_thread_buffers(t) != PST_OK) {
        tls_thread_leave();
        return PST_ERR_NOMEM;
    }
    return PST_OK;
}

void tls_thread_leave(void)
{
    struct tls_thread *t = &tls_thread;

    if (--t->users > 0) {
        return;
    }
    tls_thread_buffers_free(t);
    if (t->rng_ready) {
        (void)wc_FreeRng(&t->rng);
        t->rng_ready = false;
    }
#ifdef FP_ECC
    /* Some builds keep multiples of points, 13 MiB of them, in each thread. */
    wc_ecc_fp_free();
#endif
}

int tls_random(uint8_t *p, size_t n)
{
    WC_RNG rng;
    int rc;

    if (tls_thread.rng_ready) {
        return wc_RNG_GenerateBlock(&tls_thread.rng, p, (word32)n);
    }
    rc = wc_InitRng(&rng);
    if (rc == 0) {
        rc = wc_RNG_GenerateBlock(&rng, p, (word32)n);
        (void)wc_FreeRng(&rng);
    }
    return rc;
}

int tls_digest_mix(wc_Sha256 *sha, const void *p, size_t n)
{
    const uint8_t len[] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n };

    return wc_Sha256Update(sha, len, sizeof(len)) != 0 || wc_Sha256Update(sha, p, (word32)n) != 0
               ? -1
               : 0;
}
