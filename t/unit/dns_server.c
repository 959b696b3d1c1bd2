/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "t/unit/dns_server.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>

#include <event2/dns.h>
#include <event2/dns_struct.h>

#include "core/base/clock.h"

static void reply(struct evdns_server_request *req, const char *name, bool v6,
                  const struct dns_script *s)
{
    for (size_t i = 0; s->ips[i]; i++) {
        uint8_t ip[16];

        ck_assert_int_eq(inet_pton(v6 ? AF_INET6 : AF_INET, s->ips[i], ip), 1);
        if (v6) {
            evdns_server_request_add_aaaa_reply(req, name, 1, ip, s->ttl);
        } else {
            evdns_server_request_add_a_reply(req, name, 1, ip, s->ttl);
        }
    }
}

static void on_question(struct evdns_server_request *req, void *arg)
{
    static const int rcodes[] = { [ANSWER] = 0, [NXDOMAIN] = 3, [SERVFAIL] = 2 };
    const struct evdns_server_question *q = req->questions[0];
    bool v6 = q->type == EVDNS_TYPE_AAAA;
    struct dns_server *sv = arg;
    struct dns_script *s = v6 ? &sv->aaaa : &sv->a;

    ck_assert_int_eq(req->nquestions, 1);
    if (s->asked < 64) {
        s->at[s->asked] = clock_ns();
    }
    s->asked++;
    if (s->kind == SILENCE) {
        evdns_server_request_drop(req);
        return;
    }
    if (s->kind == ANSWER) {
        reply(req, q->name, v6, s);
    }
    evdns_server_request_respond(req, rcodes[s->kind]);
}

int dns_server_bind(struct dns_server *sv)
{
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_port = htons(sv->number),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(sin);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, n), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &n), 0);
    sv->number = ntohs(sin.sin_port);
    snprintf(sv->address, sizeof(sv->address), "127.0.0.1:%u", sv->number);
    return fd;
}

void dns_server_listen(struct dns_server *sv, struct loop *loop, int fd)
{
    sv->port = evdns_add_server_port_with_base(loop_base(loop), fd, 0, on_question, sv);
    ck_assert_ptr_nonnull(sv->port);
}

void dns_server_start(struct dns_server *sv, struct loop *loop)
{
    *sv = (struct dns_server){ 0 };
    dns_server_listen(sv, loop, dns_server_bind(sv));
}
