/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/server/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/addr.h"
#include "core/base/err.h"
#include "core/config/conf.h"
#include "core/config/conf_error.h"
#include "core/edge/generation.h"
#include "core/server/inherited.h"
#include "core/server/unix_socket.h"
#include "core/server/upgrade.h"

bool lsock_serves(const struct lsock *s, unsigned i, unsigned worker, unsigned n_workers)
{
    return s->n_fds >= n_workers ? i % n_workers == worker : worker % s->n_fds == i;
}

bool lsock_handover(const struct lsock *list, struct handover *h)
{
    for (const struct lsock *s = list; s != NULL; s = s->next) {
        for (unsigned i = 0; i < s->n_fds; i++) {
            if (!handover_add(h, s->fds[i], s->path != NULL)) {
                return false;
            }
        }
    }
    return true;
}

void lsock_own(struct lsock *list)
{
    for (struct lsock *s = list; s != NULL; s = s->next) {
        s->lent = false;
    }
}

void lsock_left(struct lsock *list, const char *path)
{
    for (struct lsock *s = list; s != NULL; s = s->next) {
        s->left = path != NULL && (s->left || (s->path != NULL && strcmp(s->path, path) == 0));
    }
}

void lsock_disown(struct lsock *list)
{
    for (struct lsock *s = list; s != NULL; s = s->next) {
        if (!s->left) {
            free(s->path);
            s->path = NULL;
        }
    }
}

static void lsock_free(struct lsock *s)
{
    for (unsigned i = 0; s->fds != NULL && i < s->n_fds; i++) {
        if (s->fds[i] >= 0) {
            close(s->fds[i]);
        }
    }
    if (s->path != NULL && !s->lent) {
        unlink(s->path);
    }
    free(s->path);
    free(s->fds);
    free(s->key);
    free(s);
}

static struct lsock *lsock_new(const char *key, unsigned n)
{
    struct lsock *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        return NULL;
    }
    s->key = strdup(key);
    s->fds = calloc(n, sizeof(int));
    if (s->key == NULL || s->fds == NULL) {
        lsock_free(s);
        return NULL;
    }
    s->n_fds = n;
    for (unsigned i = 0; i < n; i++) {
        s->fds[i] = -1;
    }
    return s;
}

static int set_int(int fd, int level, int opt, int value)
{
    return setsockopt(fd, level, opt, &value, sizeof(value));
}

/* Accepted sockets inherit these, which saves a system call per connection. */
static void tune_tcp(int fd, const struct conf_tcp *t)
{
    int secs = (int)(t->keepalive / 1000);

    (void)set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    (void)set_int(fd, SOL_SOCKET, SO_KEEPALIVE, secs > 0);
    if (secs > 0) {
        (void)set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, secs);
        (void)set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, secs > 9 ? secs / 3 : 3);
    }
    (void)set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)t->user_timeout);
}

int ip_bind(const struct pst_addr *a, bool dual, bool reuseport)
{
    struct sockaddr_storage ss;
    socklen_t n = addr_to_sockaddr(a, &ss);
    int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -1;
    }
    (void)set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if ((a->family == PST_AF_INET6 && set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, !dual) != 0) ||
        (reuseport && set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1) != 0) ||
        bind(fd, (struct sockaddr *)&ss, n) != 0) {
        int e = errno;

        close(fd);
        errno = e;
        return -1;
    }
    return fd;
}

static int open_ip(struct lsock *s, const struct conf_listener *l, const struct conf_addr *a)
{
    /* SO_REUSEPORT would quietly share the port with another process of ours: look first. */
    int probe = ip_bind(&a->ip, l->dual_stack, false);

    if (probe < 0) {
        return ERR_SYS;
    }
    close(probe);
    for (unsigned i = 0; i < s->n_fds; i++) {
        s->fds[i] = ip_bind(&a->ip, l->dual_stack, true);
        if (s->fds[i] < 0) {
            return ERR_SYS;
        }
        tune_tcp(s->fds[i], &l->tcp);
        if (listen(s->fds[i], (int)l->backlog) != 0) {
            return ERR_SYS;
        }
    }
    return ERR_OK;
}

static int open_unix(struct lsock *s, const struct conf_listener *l, const struct conf_addr *a)
{
    if (unix_clear_stale(a->path) != ERR_OK) {
        return ERR_SYS;
    }
    s->fds[0] = unix_listen(a->path, l->unix_mode, (uid_t)-1, (gid_t)-1, (int)l->backlog);
    if (s->fds[0] < 0) {
        return ERR_SYS;
    }
    s->path = strdup(a->path);
    return s->path == NULL ? ERR_NOMEM : ERR_OK;
}

/* All sockets of that address that were open before us; of a predecessor there may be many. */
static int open_inherited(struct lsock *s, const struct conf_listener *l, const struct conf_addr *a,
                          struct inherited *inherited)
{
    bool own = false;

    for (unsigned i = 0; i < s->n_fds; i++) {
        s->fds[i] = inherited_take(inherited, a, &own);
        if (a->kind == CONF_ADDR_IP) {
            tune_tcp(s->fds[i], &l->tcp);
        }
    }
    s->path = own && a->kind == CONF_ADDR_UNIX ? strdup(a->path) : NULL;
    s->lent = own;
    return s->path != NULL || !own || a->kind != CONF_ADDR_UNIX ? ERR_OK : ERR_NOMEM;
}

static struct lsock *lsock_open(const char *key, const struct conf_listener *l,
                                const struct conf_addr *a, unsigned n_workers,
                                struct inherited *inherited, struct conf_errors *errors)
{
    unsigned there = inherited_count(inherited, a);
    struct lsock *s = lsock_new(key, there > 0 ? there : a->kind == CONF_ADDR_UNIX ? 1 : n_workers);
    bool low = false;
    int rc = ERR_NOMEM;

    if (s == NULL) {
        goto out;
    }
    if (there > 0) {
        rc = open_inherited(s, l, a, inherited);
    } else if (a->kind == CONF_ADDR_UNIX) {
        rc = open_unix(s, l, a);
    } else {
        rc = open_ip(s, l, a);
    }
out:
    if (rc == ERR_OK) {
        return s;
    }
    low = rc == ERR_SYS && errno == EACCES && a->kind != CONF_ADDR_UNIX;
    conf_error_add(errors, NULL, 0, l->where, "cannot listen on %s: %s%s", a->text,
                   rc == ERR_SYS ? strerror(errno) : err_text(rc),
                   low ? "; ports below 1024 are opened by root alone, at a start" : "");
    if (s != NULL) {
        lsock_free(s);
    }
    return NULL;
}

static struct lsock *lsock_find(struct lsock *list, const char *key)
{
    while (list != NULL && strcmp(list->key, key) != 0) {
        list = list->next;
    }
    return list;
}

static int plan_address(struct lsock **list, struct listener *l, const struct conf_addr *a,
                        unsigned n_workers, struct inherited *inherited, struct bindings *out,
                        struct conf_errors *errors)
{
    char key[512];
    struct lsock *s;

    bool v6only = a->kind == CONF_ADDR_IP && a->ip.family == PST_AF_INET6 && !l->conf->dual_stack;
    (void)snprintf(key, sizeof(key), "%s%s", a->text, v6only ? " v6only" : "");
    s = lsock_find(*list, key);
    if (s == NULL) {
        s = lsock_open(key, l->conf, a, n_workers, inherited, errors);
        if (s == NULL) {
            return ERR_CONFIG;
        }
        s->next = *list;
        *list = s;
    }
    out->at[out->n].sock = s;
    out->at[out->n++].listener = l;
    return ERR_OK;
}

int lsock_plan(struct lsock **list, const struct generation *g, unsigned n_workers,
               struct inherited *inherited, struct bindings *out, struct conf_errors *errors)
{
    struct lsock *before = *list;
    size_t n = 0;
    int rc = ERR_OK;

    for (size_t i = 0; i < g->conf->n_listeners; i++) {
        n += g->conf->listeners[i].n_addrs;
    }
    *out = (struct bindings){ .at = calloc(n == 0 ? 1 : n, sizeof(struct binding)) };
    if (out->at == NULL) {
        conf_error_add(errors, NULL, 0, NULL, "out of memory");
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < g->conf->n_listeners; i++) {
        struct listener *l = &g->listeners[i];

        for (size_t k = 0; k < l->conf->n_addrs; k++) {
            if (plan_address(list, l, &l->conf->addrs[k], n_workers, inherited, out, errors) !=
                ERR_OK) {
                rc = ERR_CONFIG;
            }
        }
    }
    if (rc != ERR_OK) {
        while (*list != before) {
            struct lsock *s = *list;

            *list = s->next;
            lsock_free(s);
        }
        free(out->at);
        *out = (struct bindings){ 0 };
    }
    return rc;
}

void lsock_tune(const struct bindings *b)
{
    for (size_t i = 0; i < b->n; i++) {
        const struct conf_listener *l = b->at[i].listener->conf;
        const struct lsock *s = b->at[i].sock;

        for (unsigned k = 0; k < s->n_fds; k++) {
            if (s->path == NULL) {
                tune_tcp(s->fds[k], &l->tcp);
            }
            (void)listen(s->fds[k], (int)l->backlog);
        }
    }
}

void lsock_sweep(struct lsock **list, const struct bindings *keep)
{
    for (struct lsock **at = list; *at != NULL;) {
        struct lsock *s = *at;
        bool wanted = false;

        for (size_t i = 0; keep != NULL && i < keep->n; i++) {
            wanted = wanted || keep->at[i].sock == s;
        }
        if (wanted) {
            at = &s->next;
        } else {
            *at = s->next;
            lsock_free(s);
        }
    }
}
