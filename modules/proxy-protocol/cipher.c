/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of cipher suites. */
#include "write.h"

#include <string.h>

#define START "TLS_"

/* What OpenSSL writes otherwise, in a name whose underscores are hyphens already. */
static const struct {
    const char *iana, *openssl;
} words[] = {
    { "-WITH-", "-" },
    { "AES-128", "AES128" },
    { "AES-256", "AES256" },
    { "-CBC", "" },
    { "CHACHA20-POLY1305-SHA256", "CHACHA20-POLY1305" },
};

struct pst_str proxy_cipher_name(struct pst_str iana, char out[PROXY_CIPHER_MAX])
{
    const size_t skip = sizeof(START) - 1;

    if (iana.n < skip || iana.n >= PROXY_CIPHER_MAX || memcmp(iana.p, START, skip) != 0) {
        return iana;
    }
    memcpy(out, iana.p + skip, iana.n - skip);
    out[iana.n - skip] = '\0';
    if (strstr(out, "_WITH_") == NULL) {
        return iana;
    }
    for (char *c = out; (c = strchr(c, '_')) != NULL;) {
        *c = '-';
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        char *at = strstr(out, words[i].iana);
        size_t from = strlen(words[i].iana), to = strlen(words[i].openssl);

        if (at != NULL) {
            memcpy(at, words[i].openssl, to);
            memmove(at + to, at + from, strlen(at + from) + 1);
        }
    }
    return pst_str_of(out);
}
