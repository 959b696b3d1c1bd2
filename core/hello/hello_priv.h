/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the record layer and the parser of the hello. Internal to this folder. */
#ifndef POSTERN_HELLO_HELLO_PRIV_H
#define POSTERN_HELLO_HELLO_PRIV_H

#include "core/hello/hello.h"

/* Length of the header of a handshake message: type and 24-bit length. */
#define HELLO_HEAD 4

/* Refuse: remember what and why (static text); answers the status. */
static inline int hello_fail(struct hello_reader *r, int status, const char *why)
{
    r->status = status;
    r->why = why;
    return status;
}

/* Check what is there of the message's header: HELLO_MORE while nothing is wrong with it. */
int hello_check_head(struct hello_reader *r);

#endif
