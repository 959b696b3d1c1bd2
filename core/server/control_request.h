/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A request on the control socket: one line, a command and its arguments, separated by spaces:
 *     connections edge=api sni=*.example.com client=10.0.0.0/8
 * The protocol is described in posternctl(8). Pure.
 */
#ifndef POSTERN_SERVER_CONTROL_REQUEST_H
#define POSTERN_SERVER_CONTROL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/name.h"
#include "core/conn/conn_list.h"

/* Longest request, its newline included. */
#define CONTROL_REQUEST_MAX 1024

enum control_command {
    CONTROL_STATUS,
    CONTROL_RELOAD,
    CONTROL_REOPEN,
    CONTROL_UPGRADE,
    CONTROL_DRAIN,
    CONTROL_STOP,
    CONTROL_PLAN,
    CONTROL_EDGES,
    CONTROL_UPSTREAMS,
    CONTROL_MODULES,
    CONTROL_CONNECTIONS,
    CONTROL_KILL,
    CONTROL_EVENTS,
    CONTROL_METRICS,
    CONTROL_LOG_LEVEL
};

struct control_request {
    enum control_command command;
    struct conn_filter filter; /* points into this struct */
    int level;                 /* -1: not given           */
    char text[CONTROL_REQUEST_MAX];
    char sni[NAME_MAX_LEN + 3];
};

/*
 * Read the line at p, n bytes without its newline. ERR_INVALID: why[] is a sentence for the client.
 * The request must stay where it is while its filter is used.
 */
int control_request_parse(const char *p, size_t n, struct control_request *r, char *why,
                          size_t why_n);
/* A copy that stands by itself. */
void control_request_copy(struct control_request *to, const struct control_request *from);

#endif
