/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers to ext-auth: nobody is let in without "allow" and "true" in the line, the reason lies in
 * it, and a line that is cut anywhere is no answer yet.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "modules/examples/ext-auth/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok)
{
    if (!ok) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data, *reason = NULL;
    size_t n = 0;
    enum answer rc = answer_read(p, size, &reason, &n);

    require((rc == ANSWER_MORE) == (memchr(p, '\n', size) == NULL));
    if (rc == ANSWER_ALLOW) {
        require(memmem(p, size, "allow", 5) != NULL && memmem(p, size, "true", 4) != NULL);
    }
    if (rc == ANSWER_ALLOW || rc == ANSWER_DENY) {
        require(p[size - 1] == '\n');
        require(n == 0 || (reason > p && reason + n < p + size));
        require(answer_read(p, size - 1, &reason, &n) == ANSWER_MORE);
    }
    return 0;
}
