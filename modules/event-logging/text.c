/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "text.h"

#include <arpa/inet.h>
#include <string.h>

#define DAY_S 86400u
/* "2026-11-21T05:00:00." */
#define SECOND_N 20

/* "00" to "99": a division makes two digits. */
static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                            "25262728293031323334353637383940414243444546474849"
                            "50515253545556575859606162636465666768697071727374"
                            "75767778798081828384858687888990919293949596979899";

/* The last n digits. */
static void digits(char *out, size_t n, uint64_t v)
{
    for (; n >= 2; n -= 2) {
        memcpy(out + n - 2, pairs + 2 * (v % 100), 2);
        v /= 100;
    }
    if (n > 0) {
        out[0] = (char)('0' + v % 10);
    }
}

size_t text_u64(char out[TEXT_U64], uint64_t v)
{
    size_t n = 1;

    if (v < 10) {
        out[0] = (char)('0' + v);
        return 1;
    }
    for (uint64_t least = 10; n < TEXT_U64 && v >= least; least *= 10) {
        n++;
    }
    digits(out, n, v);
    return n;
}

/* The calendar by Howard Hinnant's days_from_civil, turned round; years begin in March. */
static void put_date(char *out, uint64_t days)
{
    uint64_t z = days + 719468;
    uint64_t era = z / 146097, doe = z % 146097;
    uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    uint64_t mp = (5 * doy + 2) / 153;
    uint64_t month = mp < 10 ? mp + 3 : mp - 9;

    digits(out, 4, yoe + era * 400 + (month <= 2));
    out[4] = '-';
    digits(out + 5, 2, month);
    out[7] = '-';
    digits(out + 8, 2, doy - (153 * mp + 2) / 5 + 1);
}

static void put_second(char out[SECOND_N], uint64_t s)
{
    uint64_t t = s % DAY_S;

    put_date(out, s / DAY_S);
    out[10] = 'T';
    digits(out + 11, 2, t / 3600);
    out[13] = ':';
    digits(out + 14, 2, t / 60 % 60);
    out[16] = ':';
    digits(out + 17, 2, t % 60);
    out[19] = '.';
}

/* Most timestamps of a thread are of the second that the one before was of. */
void text_stamp(char out[TEXT_STAMP], uint64_t us)
{
    static _Thread_local struct {
        uint64_t second; /* plus 1 */
        char text[SECOND_N];
    } last;
    uint64_t s = us / 1000000;

    if (last.second != s + 1) {
        put_second(last.text, s);
        last.second = s + 1;
    }
    memcpy(out, last.text, SECOND_N);
    digits(out + SECOND_N, 6, us % 1000000);
    out[26] = 'Z';
}

void text_base32(char *out, size_t n, uint64_t v)
{
    while (n > 0) {
        out[--n] = "0123456789abcdefghijklmnopqrstuv"[v & 31];
        v >>= 5;
    }
}

static size_t put_octet(char *out, unsigned v)
{
    unsigned hundreds = v < 100 ? 0 : v < 200 ? 1 : 2;

    if (v < 10) {
        out[0] = (char)('0' + v);
        return 1;
    }
    if (hundreds > 0) {
        *out++ = (char)('0' + hundreds);
    }
    memcpy(out, pairs + 2 * (v - 100 * hundreds), 2);
    return hundreds > 0 ? 3 : 2;
}

size_t text_ip(char out[TEXT_IP], const struct pst_addr *a)
{
    size_t n = 0;

    if (a->family == PST_AF_INET) {
        for (int i = 0; i < 4; i++) {
            if (i > 0) {
                out[n++] = '.';
            }
            n += put_octet(out + n, a->ip[i]);
        }
    } else if (a->family == PST_AF_INET6 && inet_ntop(AF_INET6, a->ip, out, TEXT_IP) != NULL) {
        n = strlen(out);
    }
    return n;
}

size_t text_ip_port(char out[TEXT_IP_PORT], const struct pst_addr *a)
{
    char ip[TEXT_IP];
    size_t n = text_ip(ip, a), at = 0;

    if (n == 0) {
        return 0;
    }
    if (a->family == PST_AF_INET6) {
        out[at++] = '[';
    }
    memcpy(out + at, ip, n);
    at += n;
    if (a->family == PST_AF_INET6) {
        out[at++] = ']';
    }
    out[at++] = ':';
    return at + text_u64(out + at, a->port);
}
