/* SPDX-License-Identifier: MIT */
/*
 * Unstable: the wolfSSL session of a connection, for modules built together with the proxy.
 *
 * This header is outside the promise of ABI.md. Layouts inside wolfSSL depend on its version and
 * on how it was configured, so a module gets a session only when its build id is that of the
 * tls-termination module: same sources, same compiler run, same wolfSSL. It is not installed with
 * the stable headers' guarantee and may change in any release.
 *
 *     static void found(void *arg, const void *table) { *(const void **)arg = table; }
 *     ...
 *     host->find_each(self, PST_WOLFSSL, found, &api);                              in link()
 *     WOLFSSL *ssl = api->session(api->inst, k->conn, MY_ID, sizeof(MY_ID));        in a hook
 */
#ifndef PST_WOLFSSL_H
#define PST_WOLFSSL_H

#include "../pst_types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PST_WOLFSSL "unstable.wolfssl/0"

struct WOLFSSL;

struct pst_wolfssl {
    uint32_t size;
    uint32_t reserved;
    void *inst; /* first argument of session() */

    /*
     * The session of a connection; NULL when it has none, or when the build id is not that of the
     * terminator, which is logged once. Borrowed until on_close; never freed, never shut down by
     * the caller. From on_handshake_done on. [worker]
     */
    struct WOLFSSL *(*session)(void *inst, pst_conn *conn, const void *build_id, size_t n);
};

#ifdef __cplusplus
}
#endif

#endif
