/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the PROXY protocol's bytes share: one parsed header, tried in every way. */
#ifndef POSTERN_T_MODULES_PROXY_WIRE_RIG_H
#define POSTERN_T_MODULES_PROXY_WIRE_RIG_H

#include <check.h>

#include "modules/proxy-protocol/parse.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"

/* 10.1.2.3:56324 to 192.0.2.9:443, as version 2 has them. */
#define RIG_TCP4 "\x0a\x01\x02\x03\xc0\x00\x02\x09\xdc\x04\x01\xbb"

/* What rig_parse() found last. */
extern struct proxy_header rig_header;

/*
 * Parse n bytes, and all beginnings of them: each of those must be right so far, or already what
 * the whole is. Nothing behind a header may change what it says.
 */
enum proxy_result rig_parse(const void *bytes, size_t n);
/* It is this address, of either family. */
void rig_is_addr(const struct pst_addr *a, const char *ip, unsigned port);

#endif
