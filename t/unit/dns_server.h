/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A name server on the loop of the test that says what it is told to. */
#ifndef POSTERN_T_DNS_SERVER_H
#define POSTERN_T_DNS_SERVER_H

#include <stdint.h>

#include "core/base/loop.h"

#define MS UINT64_C(1000000)

/* What a server says to one kind of question. */
struct dns_script {
    enum { ANSWER, NXDOMAIN, SERVFAIL, SILENCE } kind; /* ANSWER of no addresses: no data */
    const char *ips[32];
    int ttl;
    unsigned asked;
    uint64_t at[64]; /* when it was asked, ns */
};

struct dns_server {
    struct dns_script a, aaaa;
    struct evdns_server_port *port;
    uint16_t number; /* of the UDP port */
    char address[32];
};

/* A socket of 127.0.0.1 at the server's port number, 0: any. Answers the descriptor. */
int dns_server_bind(struct dns_server *sv);
/* Serve on a bound socket; evdns_close_server_port(sv->port) ends it. */
void dns_server_listen(struct dns_server *sv, struct loop *loop, int fd);
/* Both, with empty scripts, at any port. */
void dns_server_start(struct dns_server *sv, struct loop *loop);

#endif
