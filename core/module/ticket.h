/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The suspend handle: a small ref-counted object of its own, so that a late resume from any
 * thread can never touch a freed connection.
 */
#ifndef POSTERN_MODULE_TICKET_H
#define POSTERN_MODULE_TICKET_H

#include "plugin-api/postern_module.h"

struct loop;
struct ticket; /* pst_ticket * is the same pointer */

/* Define the metric that counts misuse; before the first ticket. [main] */
void ticket_setup(void);

/*
 * A ticket for `owner`. deliver(owner, verdict) runs from the loop's run queue, at most once, and
 * never after ticket_cancel(). cancel(arg) runs inside ticket_cancel(). Two references exist: the
 * connection's and the module's. NULL: out of memory. [worker]
 */
struct ticket *ticket_new(struct loop *l, void (*deliver)(void *owner, int32_t verdict),
                          void *owner, void (*cancel)(void *arg), void *arg);
/* The connection gives up (death, deadline): runs cancel unless a verdict is already on its way,
 * drops the connection's reference. [worker] */
void ticket_cancel(struct ticket *t);
/* The connection took the verdict: drops its reference. Called inside deliver. [worker] */
void ticket_done(struct ticket *t);

/*
 * Members of struct pst_host: give the module's reference back. Verdicts other than NEXT and DENY
 * count as ERROR. Using a ticket after that is a use of freed memory by contract; as long as
 * something else keeps the ticket alive it is counted and has no effect.
 */
void ticket_resume(pst_ticket *t, int32_t verdict);
void ticket_resume_any(pst_ticket *t, int32_t verdict);
void ticket_release(pst_ticket *t);

#endif
