/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The descriptor and the hooks of tls-termination. */
#include "term.h"

#include <stdlib.h>
#include <string.h>

const struct pst_host *term_host;

static void instance_free(struct term *t)
{
    if (t == NULL) {
        return;
    }
    tls_expiry_free(&t->expiry);
    certs_free(&t->certs);
    auth_free(&t->auth);
    ticket_ring_unref(t->tickets.ring);
    free(t);
}

static int32_t init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    struct term *t = calloc(1, sizeof(*t));
    int32_t rc = PST_ERR_NOMEM;

    if (t != NULL) {
        t->self = self;
        rc = term_configure(t, cfg);
    }
    if (rc != PST_OK) {
        instance_free(t);
        return rc;
    }
    *inst = t;
    return PST_OK;
}

static int32_t link_up(void *inst)
{
    struct term *t = inst;
    int32_t rc = t->here ? auth_collect(t) : PST_OK;

    if (rc == PST_OK && t->here) {
        rc = term_contexts(t);
    }
    for (uint32_t i = 0; i < t->certs.n && rc == PST_OK; i++) {
        rc = tls_expiry_add(&t->expiry, &t->certs.all[i].cred.x509);
    }
    if (rc == PST_OK) {
        tls_expiry_show(&t->expiry);
    }
    return rc;
}

static void retire(void *inst)
{
    struct term *t = inst;

    tls_expiry_hide(&t->expiry);
}

/*
 * Tickets of the generation before stay good where the policy is the same. Keys from a file are
 * what the file says, on either side.
 */
static int32_t adopt(void *inst, void *prev)
{
    struct term *t = inst;
    const struct term *old = prev;

    if (t->tickets.ring != NULL && old->tickets.ring != NULL &&
        ticket_ring_rotates(t->tickets.ring) && ticket_ring_rotates(old->tickets.ring)) {
        ticket_ring_unref(t->tickets.ring);
        t->tickets.ring = ticket_ring_ref(old->tickets.ring);
    }
    return PST_OK;
}

static int32_t worker_init(void *inst, pst_worker *worker, void **worker_state)
{
    (void)inst;
    (void)worker;
    (void)worker_state;
    return tls_thread_enter();
}

static void worker_fini(void *inst, void *worker_state)
{
    (void)inst;
    (void)worker_state;
    tls_thread_leave();
}

static int32_t on_transport(struct pst_call *k)
{
    struct session *s = k->state;
    const struct pst_hello *hello;

    s->term = k->inst;
    s->tls.conn = k->conn;
    if (!s->term->here) {
        return PST_NEXT;
    }
    hello = term_host->conn_hello(k->conn);
    if (hello == NULL) {
        static const char code[] = "tls-required", text[] = "the client does not speak TLS";

        term_host->deny(k->conn, code, sizeof(code) - 1, text, sizeof(text) - 1);
        return PST_DENY;
    }
    if (tls_vars_bind(&s->tls) != PST_OK) {
        return PST_ERROR;
    }
    return session_start(s, hello);
}

static void fini(void *inst)
{
    instance_free(inst);
}

static int32_t load(const struct pst_host *host)
{
    int32_t rc = tls_lib_init();

    term_host = host;
    tls_expiry_setup(host, TERM_NAME);
    return rc == PST_OK ? vars_setup(host) : rc;
}

static const struct pst_hooks hooks = {
    .size = sizeof(hooks),
    .init = init,
    .link = link_up,
    .adopt = adopt,
    .worker_init = worker_init,
    .worker_fini = worker_fini,
    .on_transport = on_transport,
    .retire = retire,
    .fini = fini,
};

static struct pst_module module = {
    PST_MODULE_HEAD(1, 0),
    .name = TERM_NAME,
    .scopes = PST_SCOPE_EDGE,
    .roles = PST_ROLE_CLIENT_TRANSPORT,
    .conn_state_size = sizeof(struct session),
    .n_options = TERM_N_OPTIONS,
    .option_size = sizeof(struct pst_option),
    .options = term_options,
    .hooks = &hooks,
    .load = load,
    .unload = tls_lib_cleanup,
};

const struct pst_module *postern_module_v1(void)
{
    module.version = tls_version_string();
    return &module;
}
