/* SPDX-License-Identifier: MIT-0 */
#include "request.h"

#include <stdbool.h>
#include <stdio.h>

/* True when the text stands for itself in JSON. */
static bool is_plain(struct pst_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < 0x20 || s.p[i] > 0x7e || s.p[i] == '"' || s.p[i] == '\\') {
            return false;
        }
    }
    return s.n > 0;
}

/* Append to the n bytes of text; more than `room` when it does not fit. */
static size_t put(char *text, size_t room, size_t n, const char *key, struct pst_str value)
{
    int wrote = 0;

    if (n < room && is_plain(value)) {
        wrote = snprintf(text + n, room - n, "%c\"%s\":\"%.*s\"", n == 0 ? '{' : ',', key,
                         (int)value.n, value.p);
    }
    return wrote >= 0 ? n + (size_t)wrote : room;
}

size_t request_write(char *text, size_t room, struct pst_str client, struct pst_str sni,
                     struct pst_str edge)
{
    size_t n = put(text, room, 0, "client", client);
    int wrote;

    n = put(text, room, n, "sni", sni);
    n = put(text, room, n, "edge", edge);
    if (n >= room) {
        return 0;
    }
    wrote = snprintf(text + n, room - n, "%s}\n", n == 0 ? "{" : "");
    return wrote > 0 && (size_t)wrote < room - n ? n + (size_t)wrote : 0;
}
