/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/addr.h"
#include "core/base/buf.h"
#include "core/base/err.h"

static void put(struct json *j, const char *p, size_t n)
{
    if (j->rc == ERR_OK) {
        j->rc = buf_add(j->b, p, n);
    }
}

static void puts_(struct json *j, const char *z)
{
    put(j, z, strlen(z));
}

/* Length of the UTF-8 sequence at p (RFC 3629 section 4), 0: it is none. */
static size_t utf8_len(const uint8_t *p, size_t n)
{
    size_t len = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

    if (len == 0 || len > n) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) {
        return 0;
    }
    return len;
}

/* RFC 8259 section 7. DEL and C1 too: terminals obey them. */
static void put_string(struct json *j, const char *z, size_t n)
{
    const uint8_t *p = (const uint8_t *)z;
    char esc[8];

    puts_(j, "\"");
    for (size_t i = 0; i < n;) {
        size_t plain = i, len;

        while (plain < n && p[plain] >= ' ' && p[plain] < 0x7f && p[plain] != '"' &&
               p[plain] != '\\') {
            plain++;
        }
        put(j, z + i, plain - i);
        i = plain;
        if (i == n) {
            break;
        }
        if (p[i] == '"' || p[i] == '\\') {
            esc[0] = '\\';
            esc[1] = (char)p[i++];
            put(j, esc, 2);
        } else if (p[i] < 0x80) {
            (void)snprintf(esc, sizeof(esc), "\\u%04x", p[i++]);
            put(j, esc, 6);
        } else if ((len = utf8_len(p + i, n - i)) > 0 && !(p[i] == 0xc2 && p[i + 1] < 0xa0)) {
            put(j, z + i, len);
            i += len;
        } else {
            puts_(j, "\\ufffd");
            i++;
        }
    }
    puts_(j, "\"");
}

static void put_comma(struct json *j)
{
    if (j->rc == ERR_OK && j->b->p[j->b->len - 1] != '{' && j->b->p[j->b->len - 1] != '[') {
        puts_(j, ",");
    }
}

static void put_key(struct json *j, const char *key)
{
    put_comma(j);
    put_string(j, key, strlen(key));
    puts_(j, ":");
}

void json_begin(struct json *j, struct buf *b)
{
    *j = (struct json){ .b = b, .start = b->len, .rc = ERR_OK };
    puts_(j, "{");
}

void json_strn(struct json *j, const char *key, const char *p, size_t n)
{
    if (p != NULL) {
        put_key(j, key);
        put_string(j, p, n);
    }
}

void json_str(struct json *j, const char *key, const char *z)
{
    json_strn(j, key, z, z == NULL ? 0 : strlen(z));
}

void json_u64(struct json *j, const char *key, uint64_t n)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRIu64, n);
    put_key(j, key);
    puts_(j, text);
}

void json_bool(struct json *j, const char *key, bool on)
{
    put_key(j, key);
    puts_(j, on ? "true" : "false");
}

void json_addr(struct json *j, const char *key, const struct pst_addr *a)
{
    char text[ADDR_TEXT_MAX];

    if (a->family != PST_AF_NONE) {
        json_str(j, key, addr_text(a, text));
    }
}

void json_array(struct json *j, const char *key)
{
    put_key(j, key);
    puts_(j, "[");
}

void json_item(struct json *j, const char *z)
{
    put_comma(j);
    put_string(j, z, strlen(z));
}

void json_array_end(struct json *j)
{
    puts_(j, "]");
}

int json_end(struct json *j)
{
    puts_(j, "}\n");
    if (j->rc != ERR_OK) {
        j->b->len = j->start;
    }
    return j->rc;
}
