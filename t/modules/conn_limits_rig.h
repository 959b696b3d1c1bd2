/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conn-limits, the built module, through the fake host and its clock. */
#ifndef POSTERN_T_CONN_LIMITS_RIG_H
#define POSTERN_T_CONN_LIMITS_RIG_H

#include "fake_host.h"

extern struct fake_host *host;
extern struct fake_module *module;

/* A host with the module, for each test. */
void setup(void);
void teardown(void);

struct fake_inst *make(uint32_t scope, const char *config);
int64_t metric(const char *name);

/* A connection from there. */
pst_conn *from(const char *ip);
/* A connection of an edge that is let in. */
pst_conn *admitted(struct fake_inst *i, const char *ip);
/* A connection is refused at a stage, with this code and text, and is over. */
void refused(struct fake_inst *i, uint32_t stage, const char *ip, const char *code,
             const char *text);
/* A connection that comes, is let in and goes. */
void passes(struct fake_inst *i, const char *ip);
/* A connection that ends before a hello is through; let in by on_accept. */
void fails(struct fake_inst *i, const char *ip, uint32_t reason);

#endif
