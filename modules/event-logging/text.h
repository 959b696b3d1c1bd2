/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers and addresses as text, without the C library's formatting: it is too slow here. */
#ifndef POSTERN_EVENT_LOGGING_TEXT_H
#define POSTERN_EVENT_LOGGING_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include <postern_module.h>

/* A number in decimal; answers the length, at most TEXT_U64. */
#define TEXT_U64 20
size_t text_u64(char out[TEXT_U64], uint64_t v);

/* "2026-11-21T05:00:00.123456Z" (RFC 3339) of a Unix time in microseconds; no NUL. */
#define TEXT_STAMP 27
void text_stamp(char out[TEXT_STAMP], uint64_t us);

/* The last n digits of v to the base 32, in an alphabet that sorts like the numbers; no NUL. */
void text_base32(char *out, size_t n, uint64_t v);

/* An IP address without its port; answers the length, 0: none. */
#define TEXT_IP 64
size_t text_ip(char out[TEXT_IP], const struct pst_addr *a);

/* "192.0.2.1:80" "[2001:db8::1]:80"; answers the length, 0: no IP address. */
#define TEXT_IP_PORT (TEXT_IP + 8)
size_t text_ip_port(char out[TEXT_IP_PORT], const struct pst_addr *a);

#endif
