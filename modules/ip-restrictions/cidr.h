/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Networks as 128-bit numbers. IPv4 is kept in its IPv4-mapped form (::ffff:a.b.c.d, prefix plus
 * 96), so that one piece of code handles both; `family` keeps the two worlds apart.
 */
#ifndef POSTERN_IP_RESTRICTIONS_CIDR_H
#define POSTERN_IP_RESTRICTIONS_CIDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <postern_module.h>

struct cidr {
    uint64_t hi, lo; /* the address, most significant half first    */
    uint8_t prefix;  /* 0..128, of the 128-bit form                 */
    uint8_t family;  /* PST_AF_INET or PST_AF_INET6                 */
};

/* Longest text of cidr_format() with its NUL. */
#define CIDR_TEXT 64

enum cidr_result {
    CIDR_OK,
    CIDR_BAD_ADDRESS,
    CIDR_BAD_PREFIX,
    CIDR_HOST_BITS /* *out is the network that was probably meant */
};

/*
 * Parse "10.0.0.0/8", "2001:db8::/32" or a single address. Accepts exactly the addresses that
 * inet_pton() accepts, without needing a NUL. An IPv4-mapped network becomes an IPv4 one. [any]
 */
enum cidr_result cidr_parse(const char *s, size_t n, struct cidr *out);

/* The network in our form. [any] */
struct cidr cidr_of_net(const struct pst_net *net);

/* An address as a network of one; false when it is no IP address. [any] */
bool cidr_of_addr(const struct pst_addr *addr, struct cidr *out);

/* True when `net` contains the address `addr` of the same family. [any] */
bool cidr_contains(const struct cidr *net, uint64_t hi, uint64_t lo);

/* The network around hi:lo with `prefix` leading bits. [any] */
struct cidr cidr_mask(uint64_t hi, uint64_t lo, uint8_t prefix, uint8_t family);

/* Write "10.0.0.0/8"; the prefix is left out when `address_only`. Answers the length. [any] */
size_t cidr_format(const struct cidr *c, bool address_only, char buf[CIDR_TEXT]);

#endif
