/* SPDX-License-Identifier: MIT */
/* Connections: running hooks, verdicts, tickets. */
#include "fake_priv.h"

#include <stdlib.h>
#include <string.h>

pst_conn *fake_conn_new(struct fake_host *h)
{
    pst_conn *c = fake_alloc(sizeof(*c));

    c->host = h;
    c->claimed_fd = -1;
    c->code = fake_copy("", 0);
    c->text = fake_copy("", 0);
    c->edge = fake_copy("", 0);
    c->next = h->conns;
    h->conns = c;
    return c;
}

void fake_conn_set_hello(pst_conn *c, const struct pst_hello *hello)
{
    c->hello = hello;
}

static struct fake_seen *meet(pst_conn *c, struct fake_inst *i)
{
    struct fake_seen **at = &c->seen;

    while (*at != NULL && (*at)->inst != i) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        *at = fake_alloc(sizeof(**at));
        (*at)->inst = i;
        if (i->self.module->desc.conn_state_size > 0) {
            (*at)->state = fake_alloc(i->self.module->desc.conn_state_size);
        }
    }
    return *at;
}

static pst_hook hook_of(const struct pst_hooks *h, uint32_t stage)
{
    const pst_hook hooks[] = { NULL,
                               h->on_accept,
                               h->on_preface,
                               h->on_client_hello,
                               h->on_admit,
                               h->on_transport,
                               h->on_handshake_done,
                               h->on_upstream,
                               h->on_upstream_ready,
                               h->on_established,
                               h->on_close,
                               h->conn_fini };

    return stage <= PST_STAGE_CONN_FINI ? hooks[stage] : NULL;
}

static int may_pend(uint32_t stage)
{
    return (stage >= PST_STAGE_ACCEPT && stage <= PST_STAGE_ADMIT) ||
           stage == PST_STAGE_HANDSHAKE_DONE || stage == PST_STAGE_UPSTREAM;
}

static int32_t check_verdict(pst_conn *c, uint32_t stage, int32_t verdict)
{
    int known =
        verdict == PST_NEXT || verdict == PST_DENY || verdict == PST_ERROR ||
        (verdict == PST_PENDING && may_pend(stage)) ||
        (verdict == PST_MORE && stage == PST_STAGE_PREFACE) ||
        (verdict == PST_CLAIM && (stage == PST_STAGE_TRANSPORT || stage == PST_STAGE_UPSTREAM));

    if (!known) {
        fake_say("bug: stage %u does not know verdict %d", (unsigned)stage, (int)verdict);
        return PST_ERROR;
    }
    if ((verdict == PST_PENDING) != (c->ticket != NULL || c->resumed)) {
        fake_say("bug: PENDING and suspend() go together");
        return PST_ERROR;
    }
    return verdict;
}

static int32_t call_hook(pst_conn *c, struct fake_seen *seen, uint32_t stage, void *arg)
{
    struct fake_inst *i = seen->inst;
    pst_hook hook = hook_of(&i->self.module->hooks, stage);
    struct pst_call k = { .size = sizeof(k),
                          .stage = stage,
                          .inst = i->ptr,
                          .worker_state = i->worker_state,
                          .self = &i->self,
                          .worker = &i->worker,
                          .conn = c,
                          .state = seen->state,
                          .arg = arg };
    int32_t verdict;

    if (hook == NULL) {
        return PST_NEXT;
    }
    c->stage = stage;
    c->host->in_hook++;
    verdict = hook(&k);
    c->host->in_hook--;
    c->stage = 0;
    return verdict;
}

int32_t fake_conn_run(pst_conn *c, struct fake_inst *i, uint32_t stage, void *arg)
{
    int32_t verdict;

    c->resumed = 0;
    if (stage == PST_STAGE_CLIENT_HELLO && arg != NULL) {
        c->hello = arg;
    }
    verdict = check_verdict(c, stage, call_hook(c, meet(c, i), stage, arg));
    fake_say("stage %u %s: %s", (unsigned)stage, i->self.module->desc.name,
             fake_verdict_name(verdict));
    return verdict;
}

int fake_conn_resumed(pst_conn *c, int32_t *verdict)
{
    if (!c->resumed) {
        return 0;
    }
    *verdict = c->resumed_verdict;
    return 1;
}

void fake_conn_expire(pst_conn *c)
{
    pst_ticket *t = c->ticket;

    if (t != NULL) {
        c->ticket = NULL;
        t->conn = NULL;
        fake_say("cancel");
        if (t->cancel != NULL) {
            t->cancel(t->arg);
        }
    }
}

static void end_seen(pst_conn *c, struct fake_seen *seen)
{
    if (seen != NULL) {
        end_seen(c, seen->next);
        call_hook(c, seen, PST_STAGE_CONN_FINI, NULL);
    }
}

static void release(pst_conn *c)
{
    pst_conn **at = &c->host->conns;

    while (c->seen != NULL) {
        struct fake_seen *s = c->seen;

        c->seen = s->next;
        free(s->state);
        free(s);
    }
    while (c->blocks != NULL) {
        struct fake_block *b = c->blocks;

        c->blocks = b->next;
        free(b);
    }
    while (*at != c) {
        at = &(*at)->next;
    }
    *at = c->next;
    free(c->code);
    free(c->text);
    free(c->edge);
    free(c->shown);
    free(c);
}

void fake_conn_end(pst_conn *c, const struct pst_record *record)
{
    struct pst_record zeros = { .size = sizeof(zeros), .reason = PST_END_CLIENT_FIN }, copy;

    copy = record != NULL ? *record : zeros;
    fake_conn_expire(c);
    for (struct fake_seen *s = c->seen; s != NULL; s = s->next) {
        call_hook(c, s, PST_STAGE_CLOSE, &copy);
    }
    fake_stream_end(c);
    end_seen(c, c->seen);
    fake_sched_end(c);
    fake_vars_end(c);
    release(c);
}

const char *fake_conn_deny_code(const pst_conn *c)
{
    return c->code;
}

const char *fake_conn_deny_text(const pst_conn *c)
{
    return c->text;
}

const char *fake_conn_edge(const pst_conn *c)
{
    return c->edge;
}

int fake_conn_killed(const pst_conn *c)
{
    return c->killed;
}

pst_conn *fake_host_injected(struct fake_host *h, int i)
{
    for (pst_conn *c = h->conns; c != NULL; c = c->next) {
        if (c->injected == i + 1) {
            return c;
        }
    }
    return NULL;
}

static void *host_conn_alloc(pst_conn *conn, size_t n)
{
    struct fake_block *b;

    FAKE_HERE();
    if (fake_refuses()) {
        return NULL;
    }
    b = fake_alloc(sizeof(*b) + n);
    b->next = conn->blocks;
    conn->blocks = b;
    return b->data;
}

static const struct pst_hello *host_conn_hello(pst_conn *conn)
{
    FAKE_HERE();
    return conn->hello;
}

static void host_deny(pst_conn *conn, const char *code, size_t code_n, const char *text,
                      size_t text_n)
{
    FAKE_HERE();
    free(conn->code);
    free(conn->text);
    conn->code = fake_copy(code, code_n);
    conn->text = fake_copy(text, text_n);
    fake_say("deny %s: %s", conn->code, conn->text);
}

static int32_t host_set_client_addr(pst_conn *conn, const struct pst_addr *addr)
{
    struct pst_value v = { 0 };

    FAKE_HERE();
    if (conn->stage != PST_STAGE_ACCEPT && conn->stage != PST_STAGE_PREFACE) {
        return PST_ERR_STATE;
    }
    v.type = PST_VALUE_ADDR;
    v.u.addr = *addr;
    fake_conn_set(conn, "conn.client_ip", &v);
    fake_say("client_addr %s port %u", fake_conn_var(conn, "conn.client_ip"), (unsigned)addr->port);
    return PST_OK;
}

static int32_t host_set_edge(pst_conn *conn, const char *name, size_t n)
{
    FAKE_HERE();
    if (conn->stage != PST_STAGE_CLIENT_HELLO) {
        return PST_ERR_STATE;
    }
    free(conn->edge);
    conn->edge = fake_copy(name, n);
    fake_say("edge %s", conn->edge);
    return PST_OK;
}

static void host_conn_kill(pst_conn *conn)
{
    FAKE_HERE();
    conn->killed = 1;
    fake_say("kill");
}

static void host_conn_alert(pst_conn *conn, uint32_t side, uint32_t received, uint32_t alert)
{
    FAKE_HERE();
    (void)conn;
    fake_say("alert %u %s the %s", (unsigned)alert, received ? "from" : "to",
             side == PST_SIDE_CLIENT ? "client" : "upstream");
}

void fake_conn_set_target(pst_conn *c, const struct pst_upstream_target *target)
{
    c->target = target;
}

static void *host_conn_twin(pst_conn *conn, pst_instance *self)
{
    FAKE_HERE();
    for (const struct fake_seen *s = conn->seen; s != NULL; s = s->next) {
        if (s->inst->self.module == self->module && s->inst->self.scope != self->scope) {
            return s->inst->ptr;
        }
    }
    return NULL;
}

static int32_t host_upstream_target(pst_conn *conn, struct pst_upstream_target *out)
{
    struct pst_upstream_target t;

    FAKE_HERE();
    if (conn->stage != PST_STAGE_UPSTREAM_READY && conn->stage != PST_STAGE_ESTABLISHED) {
        return PST_ERR_STATE;
    }
    if (conn->target == NULL) {
        return PST_ERR_NOT_FOUND;
    }
    t = *conn->target;
    t.size = out->size < sizeof(t) ? out->size : (uint32_t)sizeof(t);
    memcpy(out, &t, t.size);
    return PST_OK;
}

static pst_ticket *host_suspend(pst_conn *conn, void (*cancel)(void *arg), void *arg)
{
    pst_ticket *t;

    FAKE_HERE();
    if (!may_pend(conn->stage) || conn->ticket != NULL || fake_refuses()) {
        return NULL;
    }
    t = fake_alloc(sizeof(*t));
    *t = (pst_ticket){ conn, cancel, arg };
    conn->ticket = t;
    fake_current->tickets++;
    fake_say("suspend");
    return t;
}

static void host_ticket_free(pst_ticket *ticket)
{
    if (ticket->conn != NULL) {
        fake_say("bug: ticket_free() of a connection that still waits");
        ticket->conn->ticket = NULL;
    }
    fake_current->tickets--;
    free(ticket);
}

static void host_resume_any(pst_ticket *ticket, int32_t verdict)
{
    pst_conn *c = ticket->conn;

    fake_say("%s %s", c != NULL ? "resume" : "late resume", fake_verdict_name(verdict));
    if (c != NULL) {
        c->ticket = NULL;
        c->resumed = 1;
        c->resumed_verdict = verdict == PST_NEXT || verdict == PST_DENY ? verdict : PST_ERROR;
        ticket->conn = NULL;
    }
    host_ticket_free(ticket);
}

static void host_resume(pst_ticket *ticket, int32_t verdict)
{
    FAKE_HERE();
    host_resume_any(ticket, verdict);
}

void fake_conn_table(struct pst_host *t)
{
    t->conn_alloc = host_conn_alloc;
    t->conn_hello = host_conn_hello;
    t->deny = host_deny;
    t->set_client_addr = host_set_client_addr;
    t->set_edge = host_set_edge;
    t->conn_kill = host_conn_kill;
    t->conn_alert = host_conn_alert;
    t->upstream_target = host_upstream_target;
    t->conn_twin = host_conn_twin;
    t->suspend = host_suspend;
    t->resume = host_resume;
    t->resume_any = host_resume_any;
    t->ticket_free = host_ticket_free;
}
