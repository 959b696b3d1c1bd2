/* SPDX-License-Identifier: MIT-0 */
/*
 * ext-auth: asks a server on a unix socket whether a client may pass.
 *
 *     modules = ( { module = "ext-auth"; socket = "/run/authd/socket"; timeout = "500ms"; } );
 *
 * One connection, one line of JSON each way; README.md has the protocol. Nothing here blocks: the
 * connection is suspended while the answer is on its way.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <postern_module.h>

#include "answer.h"
#include "request.h"

#define NAME        "ext-auth"
#define REQUEST_MAX 2048
#define ANSWER_MAX  1024

static const struct pst_host *host;
static int32_t var_client, var_edge, metric_allowed, metric_denied, metric_failed;

struct config {
    struct sockaddr_un addr;
    uint64_t timeout_ms, max_in_flight;
    uint32_t fails_open;
};

struct worker {
    uint64_t in_flight;
};

/* A question under way. Freed by the answer, the timeout or the end of its connection. */
struct question {
    const struct config *cfg;
    struct worker *worker;
    pst_instance *self;
    pst_conn *conn;
    pst_ticket *ticket;
    pst_timer *timer;
    pst_watch *watch;
    int fd;
    size_t n;
    char answer[ANSWER_MAX];
};

static const struct pst_option options[] = {
    { .name = "socket",
      .type = PST_OPT_PATH,
      .flags = PST_OPT_REQUIRED,
      .help = "unix socket of the server" },
    { .name = "timeout",
      .type = PST_OPT_DURATION,
      .def = "1s",
      .min = 1,
      .max = 60000,
      .help = "for the whole exchange" },
    { .name = "on_error",
      .type = PST_OPT_STR,
      .def = "deny",
      .choices = "deny|allow",
      .help = "what happens without an answer" },
    { .name = "max_in_flight",
      .type = PST_OPT_U64,
      .def = "256",
      .min = 1,
      .max = 65536,
      .help = "questions at a time, for each worker" },
};

static int32_t load(const struct pst_host *h)
{
    host = h;
    var_client = h->var_id("conn.client_ip");
    var_edge = h->var_id("edge.name");
    metric_allowed = h->metric_define(NAME, "allowed", "clients let in", PST_METRIC_COUNTER);
    metric_denied = h->metric_define(NAME, "denied", "clients kept out", PST_METRIC_COUNTER);
    metric_failed =
        h->metric_define(NAME, "failures", "questions without an answer", PST_METRIC_COUNTER);
    return var_client < 0 || var_edge < 0 || metric_allowed < 0 || metric_denied < 0 ||
                   metric_failed < 0
               ? PST_ERR
               : PST_OK;
}

static int32_t read_config(const pst_cfg *cfg, struct config *c)
{
    struct pst_str path, on_error;

    if (host->cfg_path(cfg, "socket", &path) != PST_OK ||
        host->cfg_duration(cfg, "timeout", &c->timeout_ms) != PST_OK ||
        host->cfg_u64(cfg, "max_in_flight", &c->max_in_flight) != PST_OK ||
        host->cfg_str(cfg, "on_error", &on_error) != PST_OK) {
        return PST_ERR_CONFIG;
    }
    if (path.n >= sizeof(c->addr.sun_path)) {
        host->cfg_error(host->cfg_get(cfg, "socket"), "too long for a unix socket", 26);
        return PST_ERR_CONFIG;
    }
    c->addr.sun_family = AF_UNIX;
    memcpy(c->addr.sun_path, path.p, path.n);
    c->fails_open = strcmp(on_error.p, "allow") == 0;
    return PST_OK;
}

static int32_t init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    struct config *c = calloc(1, sizeof(*c));
    int32_t rc;

    (void)self;
    if (c == NULL) {
        return PST_ERR_NOMEM;
    }
    rc = read_config(cfg, c);
    if (rc != PST_OK) {
        free(c);
        return rc;
    }
    *inst = c;
    return PST_OK;
}

static int32_t worker_init(void *inst, pst_worker *worker, void **state)
{
    (void)inst;
    (void)worker;
    *state = calloc(1, sizeof(struct worker));
    return *state != NULL ? PST_OK : PST_ERR_NOMEM;
}

static void worker_fini(void *inst, void *state)
{
    (void)inst;
    free(state);
}

static void question_free(struct question *q)
{
    if (q->watch != NULL) {
        host->watch_free(q->watch);
    }
    if (q->timer != NULL) {
        host->timer_free(q->timer);
    }
    if (q->fd >= 0) {
        close(q->fd);
    }
    q->worker->in_flight--;
    free(q);
}

/* Nobody answered: say so, and what follows from that. */
static int32_t failed(const struct config *cfg, pst_instance *self, pst_conn *conn,
                      const char *what)
{
    char text[160];
    int n = snprintf(text, sizeof(text), "no answer of the authorisation server: %s", what);

    host->metric_add(metric_failed, 1);
    if (cfg->fails_open) {
        host->log(self, conn, PST_LOG_WARNING, text, (size_t)n);
        return PST_NEXT;
    }
    host->deny(conn, "auth-failed", 11, text, (size_t)n);
    return PST_DENY;
}

static void end_question(struct question *q, int32_t verdict)
{
    pst_ticket *ticket = q->ticket;

    question_free(q);
    host->resume(ticket, verdict);
}

/* The connection ended first. */
static void on_cancel(void *arg)
{
    struct question *q = arg;

    host->ticket_free(q->ticket);
    question_free(q);
}

static void on_timeout(void *arg)
{
    struct question *q = arg;

    end_question(q, failed(q->cfg, q->self, q->conn, "it took too long"));
}

static void on_answer(struct question *q)
{
    const char *reason = NULL;
    size_t reason_n = 0;

    switch (answer_read(q->answer, q->n, &reason, &reason_n)) {
    case ANSWER_MORE:
        if (q->n == ANSWER_MAX) {
            end_question(q, failed(q->cfg, q->self, q->conn, "it is too long"));
        }
        return;
    case ANSWER_ALLOW:
        host->metric_add(metric_allowed, 1);
        end_question(q, PST_NEXT);
        return;
    case ANSWER_DENY:
        host->metric_add(metric_denied, 1);
        host->deny(q->conn, "auth-denied", 11, reason_n > 0 ? reason : "denied",
                   reason_n > 0 ? reason_n : 6);
        end_question(q, PST_DENY);
        return;
    default:
        end_question(q, failed(q->cfg, q->self, q->conn, "it is not in the protocol"));
    }
}

static void on_readable(void *arg, uint32_t events)
{
    struct question *q = arg;
    ssize_t got = recv(q->fd, q->answer + q->n, ANSWER_MAX - q->n, MSG_DONTWAIT);

    (void)events;
    if (got > 0) {
        q->n += (size_t)got;
        on_answer(q);
    } else if (got == 0) {
        end_question(q, failed(q->cfg, q->self, q->conn, "it hung up"));
    } else if (errno != EAGAIN && errno != EINTR) {
        end_question(q, failed(q->cfg, q->self, q->conn, strerror(errno)));
    }
}

/* The question about this connection as text; its length, 0: it does not fit. */
static size_t ask_text(pst_conn *conn, char *text)
{
    const struct pst_hello *tls = host->conn_hello(conn);
    struct pst_value client = { 0 }, edge = { 0 };
    char ip[INET6_ADDRSTRLEN] = "unix";

    if (host->var_get(conn, var_client, &client) != PST_OK || client.type != PST_VALUE_ADDR ||
        host->var_get(conn, var_edge, &edge) != PST_OK || edge.type != PST_VALUE_STR) {
        return 0;
    }
    if (client.u.addr.family != PST_AF_UNIX) {
        inet_ntop(client.u.addr.family == PST_AF_INET ? AF_INET : AF_INET6, client.u.addr.ip, ip,
                  sizeof(ip));
    }
    return request_write(text, REQUEST_MAX, pst_str_of(ip),
                         tls != NULL ? tls->sni : (struct pst_str){ "", 0 }, edge.u.str);
}

/* Connect and send; NULL, or what went wrong. A unix socket does both at once or not at all. */
static const char *send_question(struct question *q)
{
    char text[REQUEST_MAX];
    size_t n = ask_text(q->conn, text);

    if (n == 0) {
        return "it cannot be asked";
    }
    q->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (q->fd < 0 ||
        connect(q->fd, (const struct sockaddr *)&q->cfg->addr, sizeof(q->cfg->addr)) != 0) {
        return strerror(errno);
    }
    return send(q->fd, text, n, MSG_NOSIGNAL) == (ssize_t)n ? NULL : "it does not read";
}

/* Suspend until something happens; NULL, or what went wrong. */
static const char *wait_for_answer(struct question *q)
{
    q->timer = host->timer_new(PST_OF_CONN(q->conn), on_timeout, q);
    q->watch = host->watch_new(PST_OF_CONN(q->conn), q->fd, PST_STREAM_READ, on_readable, q);
    if (q->timer == NULL || q->watch == NULL ||
        host->timer_start(q->timer, q->cfg->timeout_ms) != PST_OK ||
        (q->ticket = host->suspend(q->conn, on_cancel, q)) == NULL) {
        return "out of memory";
    }
    return NULL;
}

static int32_t ask(struct pst_call *k)
{
    const struct config *cfg = k->inst;
    struct worker *w = k->worker_state;
    const char *wrong = NULL;
    struct question *q;

    if (w->in_flight >= cfg->max_in_flight) {
        return failed(cfg, k->self, k->conn, "too many questions are under way");
    }
    q = calloc(1, sizeof(*q));
    if (q == NULL) {
        return failed(cfg, k->self, k->conn, "out of memory");
    }
    w->in_flight++;
    *q = (struct question){ .cfg = cfg, .worker = w, .self = k->self, .conn = k->conn, .fd = -1 };
    wrong = send_question(q);
    if (wrong == NULL) {
        wrong = wait_for_answer(q);
    }
    if (wrong == NULL) {
        return PST_PENDING;
    }
    question_free(q);
    return failed(cfg, k->self, k->conn, wrong);
}

static const struct pst_hooks hooks = {
    .size = sizeof(hooks),
    .init = init,
    .worker_init = worker_init,
    .worker_fini = worker_fini,
    .on_admit = ask,
    .fini = free,
};

static const struct pst_module module = {
    PST_MODULE_HEAD(0, PST_FLAG_DECIDES),
    .name = NAME,
    .version = "1.0.0",
    .scopes = PST_SCOPE_EDGE,
    .n_options = sizeof(options) / sizeof(options[0]),
    .option_size = sizeof(options[0]),
    .options = options,
    .hooks = &hooks,
    .load = load,
};

const struct pst_module *postern_module_v1(void)
{
    return &module;
}
