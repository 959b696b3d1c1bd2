/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The descriptor and the hooks of upstream-tls. */
#include "utls.h"

#include <stdlib.h>

const struct pst_host *utls_host;

static void fini(void *inst)
{
    struct utls *u = inst;

    tls_expiry_free(&u->expiry);
    ctx_put(u->ctx);
    free(u);
}

static int32_t init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    struct utls *u = calloc(1, sizeof(*u));
    int32_t rc;

    if (u == NULL) {
        return PST_ERR_NOMEM;
    }
    u->self = self;
    rc = utls_configure(u, cfg);
    if (rc != PST_OK) {
        fini(u);
        return rc;
    }
    *inst = u;
    return PST_OK;
}

/* Whoever terminates the client's TLS is loaded by now. */
static int32_t link_up(void *inst)
{
    struct utls *u = inst;

    if (u->alpn_of_client) {
        vars_find(utls_host);
    }
    tls_expiry_show(&u->expiry);
    return PST_OK;
}

static void retire(void *inst)
{
    struct utls *u = inst;

    tls_expiry_hide(&u->expiry);
}

static int32_t worker_init(void *inst, pst_worker *worker, void **worker_state)
{
    const struct utls *u = inst;
    int32_t rc = tls_thread_enter();

    (void)worker;
    if (rc == PST_OK && u->sessions) {
        *worker_state = cache_new();
        if (*worker_state == NULL) {
            tls_thread_leave();
            rc = PST_ERR_NOMEM;
        }
    }
    return rc;
}

static void worker_fini(void *inst, void *worker_state)
{
    (void)inst;
    cache_free(worker_state);
    tls_thread_leave();
}

static int32_t on_upstream_ready(struct pst_call *k)
{
    const struct utls *u = k->inst;
    struct pst_upstream_target t = { .size = sizeof(t) };
    int32_t rc = utls_host->upstream_target(k->conn, &t);

    /* A stream that a module supplied is no target, so it has no mark either. */
    if (rc != PST_OK && rc != PST_ERR_NOT_FOUND) {
        return PST_ERROR;
    }
    if (u->only_marked && (rc != PST_OK || (t.flags & PST_TARGET_TLS) == 0)) {
        return PST_NEXT;
    }
    return session_start(k->state, u, k->worker_state, k->conn, &t);
}

static int32_t load(const struct pst_host *host)
{
    int32_t rc = tls_lib_init();

    utls_host = host;
    tls_expiry_setup(host, UTLS_NAME);
    return rc == PST_OK ? vars_setup(host) : rc;
}

static const struct pst_hooks hooks = {
    .size = sizeof(hooks),
    .init = init,
    .link = link_up,
    .worker_init = worker_init,
    .worker_fini = worker_fini,
    .on_upstream_ready = on_upstream_ready,
    .retire = retire,
    .fini = fini,
};

static struct pst_module module = {
    PST_MODULE_HEAD(1, 0),
    .name = UTLS_NAME,
    .scopes = PST_SCOPE_EDGE,
    .roles = PST_ROLE_UPSTREAM_TRANSPORT,
    .conn_state_size = sizeof(struct session),
    .n_options = UTLS_N_OPTIONS,
    .option_size = sizeof(struct pst_option),
    .options = utls_options,
    .hooks = &hooks,
    .load = load,
    .unload = tls_lib_cleanup,
};

const struct pst_module *postern_module_v1(void)
{
    module.version = tls_version_string();
    return &module;
}
