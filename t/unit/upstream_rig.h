/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One upstream with made-up targets and a clock in the test's hand. */
#ifndef POSTERN_T_UPSTREAM_RIG_H
#define POSTERN_T_UPSTREAM_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/config/conf.h"
#include "core/upstream/upstream.h"

#define SECOND       UINT64_C(1000000000)
#define FAIL_TIMEOUT (10 * SECOND)

#define UPSTREAM_RIG_TARGETS 200

extern struct conf_target targets[UPSTREAM_RIG_TARGETS];
extern struct conf_upstream conf; /* no targets yet, max_fails 3, FAIL_TIMEOUT */
extern struct upstream *up;       /* after start() */
extern uint64_t now;
extern const struct pst_addr client;

void upstream_rig_setup(void);
void upstream_rig_teardown(void);

/* Add the target 127.0.0.1:<index + 1>, or a host: "many", "one" or no addresses. */
struct conf_target *add(uint32_t weight);
void add_host(const char *host);
/* Make `up` of the targets so far. */
void start(enum conf_balance balance);

/* Index of the next target of a walk, or an ERR_. */
int step(struct upstream_walk *w, const struct pst_addr *from);
/* A whole connection: pick, tell the result, end. The target's index. */
int visit(const struct pst_addr *from, bool ok);
/* One attempt with a certain target, whatever the balance method. */
void attempt(int target, bool ok);
/* Let attempts fail until the target is out. */
void take_out(int target);

#endif
