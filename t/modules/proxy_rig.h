/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the built module proxy-protocol share: it, in the fake host. */
#ifndef POSTERN_T_MODULES_PROXY_RIG_H
#define POSTERN_T_MODULES_PROXY_RIG_H

#include <check.h>

#include "fake_host.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"

extern struct fake_host *rig_host;
extern struct fake_module *rig_module;
/* Of the listener and of the edge; NULL until a test makes them. The fixture frees them. */
extern struct fake_inst *rig_in, *rig_out;
/* What rig_preface() showed last. */
extern struct pst_preface rig_shown;

/* Fixtures: a fresh host with the module. */
void rig_setup(void);
void rig_teardown(void);

/* A linked instance. */
struct fake_inst *rig_make(uint32_t scope, const char *config);
/* This configuration is none, and the message says `text`. */
void rig_refuses(uint32_t scope, const char *config, const char *text);

/* A connection of 10.0.0.1 to 10.0.0.2:443. */
pst_conn *rig_conn(void);
/* Show the listener's instance these first bytes; its verdict. */
int32_t rig_preface(pst_conn *c, const void *bytes, size_t n, uint32_t eof);

/*
 * Take a header of version 2 from 198.51.100.7:4711 to 203.0.113.1:443 with ALPN "h2", authority
 * "a.test", unique ID "id7", namespace "ns", type 0xea "vpc", and what TLS was.
 */
void rig_receive(pst_conn *c);

#endif
