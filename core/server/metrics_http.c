/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/server/metrics_http.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/loop.h"
#include "core/config/conf.h"
#include "core/config/conf_error.h"
#include "core/server/endpoint.h"
#include "core/server/http_request.h"
#include "core/server/lag.h"
#include "core/server/metrics_page.h"
#include "core/server/server.h"
#include "core/server/unix_socket.h"
#include "core/server/upgrade.h"

#define CLIENTS_MAX 16
#define BACKLOG     16
#define PIECE_MOST  (16 * 1024 * 1024)

struct metrics_http {
    struct server *server;
    struct endpoint *endpoint;
    char *path;        /* of a unix socket we made, NULL otherwise */
    bool lent;         /* which a predecessor still serves         */
    char *credentials; /* what a client must send, NULL: nothing   */
    struct lag *lag;
};

/* A client: the state of its session. */
struct reader {
    struct metrics_page page;
    bool chunked;
};

static void say(struct session *s, const char *head, const char *body)
{
    char text[512];
    int n = snprintf(text, sizeof(text),
                     "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
                     "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                     head, strlen(body), body);

    session_write(s, text, (size_t)n);
    session_finish(s);
}

static bool str_is(struct pst_str s, const char *z)
{
    return s.n == strlen(z) && memcmp(s.p, z, s.n) == 0;
}

static void serve(struct session *s, const struct http_request *r)
{
    static const char head[] = "HTTP/1.1 200 OK\r\n"
                               "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                               "Cache-Control: no-store\r\nConnection: close\r\n";
    static const char chunked[] = "Transfer-Encoding: chunked\r\n";
    const struct metrics_http *m = session_arg(s);
    struct reader *reader = session_state(s);

    session_write(s, head, sizeof(head) - 1);
    if (!r->is_1_0) {
        session_write(s, chunked, sizeof(chunked) - 1);
    }
    session_write(s, "\r\n", 2);
    if (str_is(r->method, "HEAD")) {
        session_finish(s);
        return;
    }
    reader->chunked = !r->is_1_0;
    metrics_page_begin(&reader->page, m->server, PROM_TEXT);
    session_more(s, true);
}

static bool on_request(struct session *s, const char *p, size_t n)
{
    const struct metrics_http *m = session_arg(s);
    struct http_request r;
    enum http_status st = http_request_parse(p, n, &r);

    if (st == HTTP_MORE) {
        return false;
    }
    if (st == HTTP_BAD) {
        say(s, "400 Bad Request", "this is no HTTP request\n");
    } else if (m->credentials != NULL && !http_credentials_equal(r.credentials, m->credentials)) {
        say(s, "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"postern\"",
            "user and password are needed\n");
    } else if (!str_is(r.method, "GET") && !str_is(r.method, "HEAD")) {
        say(s, "405 Method Not Allowed\r\nAllow: GET, HEAD", "only GET and HEAD\n");
    } else if (!str_is(r.path, "/metrics")) {
        say(s, "404 Not Found", "metrics are at /metrics\n");
    } else {
        serve(s, &r);
    }
    return true;
}

static void on_refuse(struct session *s, bool late)
{
    if (late) {
        say(s, "408 Request Timeout", "the request did not come in time\n");
    } else {
        say(s, "431 Request Header Fields Too Large", "the request is too long\n");
    }
}

static void on_more(struct session *s)
{
    struct reader *reader = session_state(s);
    char size[32];
    struct buf b;
    bool more;

    buf_init(&b, PIECE_MOST);
    more = metrics_page_more(&reader->page, &b);
    if (reader->chunked && b.len > 0) {
        session_write(s, size, (size_t)snprintf(size, sizeof(size), "%zx\r\n", b.len));
    }
    session_write(s, b.p, b.len);
    if (reader->chunked && b.len > 0) {
        session_write(s, "\r\n", 2);
    }
    if (reader->chunked && !more) {
        session_write(s, "0\r\n\r\n", 5);
    }
    buf_free(&b);
    if (more) {
        session_more(s, true);
    } else {
        session_finish(s);
    }
}

static void on_gone(struct session *s)
{
    metrics_page_end(&((struct reader *)session_state(s))->page);
}

static const struct endpoint_ops ops = {
    .most = CLIENTS_MAX,
    .request_most = 8192,
    .reply_s = 60,
    .state_size = sizeof(struct reader),
    .busy = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    .request = on_request,
    .refuse = on_refuse,
    .more = on_more,
    .gone = on_gone,
};

/* *lent: it was open before; *own: its file is the daemon's. */
static int open_socket(struct server *s, const struct conf_metrics *c, bool *own, bool *lent)
{
    int fd = inherited_take(&s->inherited, &c->addr, own);

    *lent = fd >= 0;
    if (fd >= 0) {
        return fd;
    }
    *own = true;
    if (c->addr.kind == CONF_ADDR_UNIX) {
        return unix_clear_stale(c->addr.path) == ERR_OK
                   ? unix_listen(c->addr.path, c->unix_mode, (uid_t)-1, (gid_t)-1, BACKLOG)
                   : -1;
    }
    fd = ip_bind(&c->addr.ip, true, false);
    if (fd >= 0 && listen(fd, BACKLOG) != 0) {
        int e = errno;

        close(fd);
        errno = e;
        fd = -1;
    }
    return fd;
}

bool metrics_http_open(struct server *s, const struct conf *conf, struct conf_errors *errors,
                       struct metrics_http **out)
{
    const struct conf_metrics *c = &conf->metrics;
    bool own = false, lent = false;
    struct metrics_http *m;
    int fd;

    if (!c->enabled) {
        return true;
    }
    fd = open_socket(s, c, &own, &lent);
    if (fd < 0) {
        conf_error_add(errors, conf->path, 0, "metrics.address", "cannot listen on %s: %s",
                       c->addr.text, strerror(errno));
        return false;
    }
    m = calloc(1, sizeof(*m));
    if (m == NULL) {
        close(fd);
        goto fail;
    }
    *out = m;
    m->server = s;
    m->endpoint = endpoint_new(s->loop, fd, &ops, m);
    m->credentials = c->user == NULL ? NULL : http_basic(c->user, c->password);
    m->path = own && c->addr.kind == CONF_ADDR_UNIX ? strdup(c->addr.path) : NULL;
    m->lent = lent;
    m->lag = lag_new(s);
    if (m->endpoint == NULL || m->lag == NULL || (c->user != NULL && m->credentials == NULL)) {
        goto fail;
    }
    return true;
fail:
    conf_error_add(errors, conf->path, 0, "metrics", "out of memory");
    return false;
}

bool metrics_http_handover(const struct metrics_http *m, struct handover *h)
{
    return m == NULL || handover_add(h, endpoint_fd(m->endpoint), m->path != NULL);
}

void metrics_http_own(struct metrics_http *m)
{
    if (m != NULL) {
        m->lent = false;
    }
}

void metrics_http_disown(struct metrics_http *m)
{
    if (m != NULL) {
        endpoint_deafen(m->endpoint);
        free(m->path);
        m->path = NULL;
    }
}

void metrics_http_close(struct metrics_http *m)
{
    if (m == NULL) {
        return;
    }
    endpoint_free(m->endpoint);
    lag_free(m->lag);
    if (m->path != NULL && !m->lent) {
        (void)unlink(m->path);
    }
    if (m->credentials != NULL) {
        explicit_bzero(m->credentials, strlen(m->credentials));
    }
    free(m->credentials);
    free(m->path);
    free(m);
}

static void drains(struct session *s, void *arg)
{
    const struct reader *reader = session_state(s);

    (void)arg;
    if (reader->page.pin != NULL) {
        session_cut(s);
    }
}

void metrics_http_drains(struct metrics_http *m)
{
    if (m != NULL) {
        endpoint_each(m->endpoint, drains, NULL);
    }
}
