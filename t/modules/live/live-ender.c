/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A test module: ends connections in the stage that its option names.
 *   deny     PST_DENY, with a code and a text
 *   error    PST_ERROR
 *   kill     conn_kill(), and goes on
 *   filter   a filter that fails (only on_established)
 *   tls      an upstream transport whose handshake fails (only on_upstream_ready)
 */
#include <stdlib.h>
#include <string.h>

#include <postern_module.h>

#define NAME "live-ender"

static const struct pst_host *host;

struct config {
    uint32_t stage;
    char how[8];
};

static int32_t broken_data(void *ctx, pst_filter_out *out, const uint8_t *p, size_t n, uint32_t fin)
{
    (void)ctx;
    (void)out;
    (void)p;
    (void)n;
    (void)fin;
    return PST_ERR;
}

static const struct pst_filter_ops filter = { .size = sizeof(filter), .data = broken_data };

static int32_t broken_handshake(void *ctx)
{
    (void)ctx;
    return PST_ERR_PROTOCOL;
}

static const struct pst_stream_ops transport = { .size = sizeof(transport),
                                                 .handshake = broken_handshake };

static int32_t init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    struct config *c = calloc(1, sizeof(*c));
    struct pst_str at, how;

    (void)self;
    if (c == NULL || host->cfg_str(cfg, "at", &at) != PST_OK ||
        host->cfg_str(cfg, "how", &how) != PST_OK) {
        free(c);
        return PST_ERR_CONFIG;
    }
    for (uint32_t i = PST_STAGE_ACCEPT; i <= PST_STAGE_ESTABLISHED; i++) {
        c->stage = strcmp(pst_stage_name(i), at.p) == 0 ? i : c->stage;
    }
    memcpy(c->how, how.p, how.n < sizeof(c->how) ? how.n : sizeof(c->how) - 1);
    *inst = c;
    return PST_OK;
}

static void fini(void *inst)
{
    free(inst);
}

static int32_t end_here(struct pst_call *k)
{
    const struct config *c = k->inst;
    pst_stream *inner;

    if (k->stage != c->stage) {
        return PST_NEXT;
    }
    switch (c->how[0]) {
    case 'd':
        host->deny(k->conn, "test-code", 9, "denied by a test", 16);
        return PST_DENY;
    case 'k':
        host->conn_kill(k->conn);
        return PST_NEXT;
    case 'f':
        return host->filter_attach(k->conn, PST_DIR_TO_UPSTREAM, &filter, NULL) != NULL ? PST_NEXT
                                                                                        : PST_ERROR;
    case 't':
        return host->stream_stack(k->conn, PST_SIDE_UPSTREAM, &transport, NULL, &inner) == PST_OK
                   ? PST_NEXT
                   : PST_ERROR;
    default:
        return PST_ERROR;
    }
}

static int32_t load(const struct pst_host *h)
{
    host = h;
    return PST_OK;
}

static const struct pst_option options[] = {
    { .name = "at", .type = PST_OPT_STR, .flags = PST_OPT_REQUIRED, .help = "the stage" },
    { .name = "how",
      .type = PST_OPT_STR,
      .def = "deny",
      .help = "the way",
      .choices = "deny|error|kill|filter|tls" },
};

static const struct pst_hooks hooks = {
    .size = sizeof(hooks),
    .init = init,
    .on_accept = end_here,
    .on_preface = end_here,
    .on_client_hello = end_here,
    .on_admit = end_here,
    .on_transport = end_here,
    .on_handshake_done = end_here,
    .on_upstream = end_here,
    .on_upstream_ready = end_here,
    .on_established = end_here,
    .fini = fini,
};

static const struct pst_module module = {
    PST_MODULE_HEAD(0, PST_FLAG_DECIDES),
    .name = NAME,
    .version = "1.0",
    .scopes = PST_SCOPE_EDGE | PST_SCOPE_LISTENER,
    .roles = PST_ROLE_UPSTREAM_TRANSPORT,
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
