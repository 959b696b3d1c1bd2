/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A test module: a tunnel that never leaves the process. It claims the upstream of its edge with a
 * stream that has no descriptor and injects the far end of that stream as a new connection into
 * another listener, as an agent would. Two ends, a bounded buffer each way.
 */
#include <stdlib.h>
#include <string.h>

#include <postern_module.h>

#define ROOM ((size_t)8192)

static const struct pst_host *host;

/* One end. What it reads was written by `peer`. */
struct end {
    struct end *peer;    /* NULL: closed */
    pst_stream *handle;
    uint8_t in[ROOM];
    size_t n;
    int fin, reset;
};

static void wake(struct end *e, uint32_t events)
{
    if (e != NULL && e->handle != NULL) {
        host->stream_ready(e->handle, events);
    }
}

static int64_t end_read(void *s, struct pst_iov *v, uint32_t n)
{
    struct end *e = s;
    size_t k = v[0].n < e->n ? v[0].n : e->n;

    (void)n;
    if (e->reset) {
        return PST_ERR_RESET;
    }
    if (k == 0) {
        return e->fin ? 0 : PST_WANT_READ;
    }
    memcpy(v[0].p, e->in, k);
    memmove(e->in, e->in + k, e->n - k);
    e->n -= k;
    wake(e->peer, PST_STREAM_WRITE);
    return (int64_t)k;
}

static int64_t end_write(void *s, const struct pst_iov *v, uint32_t n)
{
    struct end *to = ((struct end *)s)->peer;
    int64_t total = 0;

    if (to == NULL) {
        return PST_ERR_RESET;
    }
    for (uint32_t i = 0; i < n; i++) {
        size_t k = v[i].n < ROOM - to->n ? v[i].n : ROOM - to->n;

        memcpy(to->in + to->n, v[i].p, k);
        to->n += k;
        total += (int64_t)k;
        if (k < v[i].n) {
            break;
        }
    }
    if (total > 0) {
        wake(to, PST_STREAM_READ);
    }
    return total > 0 ? total : PST_WANT_WRITE;
}

static int32_t end_shutdown(void *s)
{
    struct end *e = s;

    if (e->peer != NULL) {
        e->peer->fin = 1;
        wake(e->peer, PST_STREAM_READ);
    }
    return PST_OK;
}

static void end_close(void *s, uint32_t how)
{
    struct end *e = s;

    if (e->peer != NULL) {
        e->peer->fin = 1;
        e->peer->reset = how == PST_CLOSE_ABORT;
        e->peer->peer = NULL;
        wake(e->peer, PST_STREAM_READ | PST_STREAM_WRITE);
    }
    free(e);
}

static const struct pst_stream_ops ops = {
    .size = sizeof(ops),
    .read = end_read,
    .write = end_write,
    .shutdown_write = end_shutdown,
    .close = end_close,
};

struct tunnel {
    const char *into;
    uint32_t forgets; /* claims, and answers PST_NEXT all the same */
};

static int32_t init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    struct tunnel *t = calloc(1, sizeof(*t));
    struct pst_str into;

    (void)self;
    if (t == NULL || host->cfg_str(cfg, "into", &into) != PST_OK ||
        host->cfg_bool(cfg, "forgets", &t->forgets) != PST_OK) {
        free(t);
        return PST_ERR_CONFIG;
    }
    t->into = into.p; /* lives until fini() */
    *inst = t;
    return PST_OK;
}

static void fini(void *inst)
{
    free(inst);
}

static int32_t on_upstream(struct pst_call *k)
{
    struct pst_inject attr = { .size = sizeof(attr) };
    const struct tunnel *t = k->inst;
    pst_listener *l = host->listener_find(k->worker, t->into);
    struct end *near = calloc(1, sizeof(*near));
    struct end *far = calloc(1, sizeof(*far));

    if (l == NULL || near == NULL || far == NULL) {
        free(near);
        free(far);
        return PST_ERROR;
    }
    near->peer = far;
    far->peer = near;
    attr.peer.family = PST_AF_INET;
    memcpy(attr.peer.ip, "\300\0\2\7", 4); /* 192.0.2.7 */
    attr.peer.port = 4242;
    attr.local = attr.peer;
    if (host->upstream_claim(k->conn, &ops, near, &near->handle) != PST_OK) {
        free(near);
        free(far);
        return PST_ERROR;
    }
    if (host->conn_inject(l, &ops, far, &attr, &far->handle) != PST_OK) {
        return PST_ERROR;
    }
    return t->forgets ? PST_NEXT : PST_CLAIM;
}

static int32_t load(const struct pst_host *h)
{
    host = h;
    return PST_OK;
}

static const struct pst_option options[] = {
    { .name = "into", .type = PST_OPT_STR, .flags = PST_OPT_REQUIRED,
      .help = "the listener that gets the far end" },
    { .name = "forgets", .type = PST_OPT_BOOL, .def = "false",
      .help = "a bug: claim, and answer PST_NEXT" },
};

static const struct pst_hooks hooks = {
    .size = sizeof(hooks),
    .init = init,
    .on_upstream = on_upstream,
    .fini = fini,
};

static const struct pst_module module = {
    PST_MODULE_HEAD(0, 0),
    .name = "live-tunnel",
    .version = "1.0",
    .scopes = PST_SCOPE_EDGE,
    .roles = PST_ROLE_UPSTREAM,
    .options = options,
    .n_options = sizeof(options) / sizeof(options[0]),
    .option_size = sizeof(options[0]),
    .hooks = &hooks,
    .load = load,
};

const struct pst_module *postern_module_v1(void)
{
    return &module;
}
