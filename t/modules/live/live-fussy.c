/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A test module: says every call of its life in the log, as "<tag>: <call>", and fails in the one
 * that its option names. Publishes a service, or finds those of others, when told.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <postern_module.h>

#define SERVICE "live.fussy/1"

static const struct pst_host *host;

struct inst {
    pst_instance *self;
    char tag[32], fail[16];
    uint32_t find;
    uint32_t service; /* what is published: only its address matters */
};

/* The tag comes first: texts that begin alike share the rate limit of the log. */
static void say(const struct inst *in, const char *call)
{
    char line[96];
    int n = snprintf(line, sizeof(line), "%s: %s", in->tag, call);

    host->log(in->self, NULL, PST_LOG_NOTICE, line, (size_t)n);
}

/* Say it, and the answer of a call that may fail. */
static int32_t answer(const struct inst *in, const char *call)
{
    say(in, call);
    return strcmp(in->fail, call) == 0 ? PST_ERR : PST_OK;
}

static int32_t text(const pst_cfg *cfg, const char *key, char *out, size_t size)
{
    struct pst_str s;

    if (host->cfg_str(cfg, key, &s) != PST_OK || s.n >= size) {
        return PST_ERR_CONFIG;
    }
    memcpy(out, s.p, s.n + 1);
    return PST_OK;
}

static int32_t init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    struct inst *in = calloc(1, sizeof(*in));
    uint32_t publish = 0;
    int32_t rc;

    if (in == NULL) {
        return PST_ERR_NOMEM;
    }
    in->self = self;
    rc = text(cfg, "tag", in->tag, sizeof(in->tag));
    if (rc == PST_OK) {
        rc = text(cfg, "fail", in->fail, sizeof(in->fail));
    }
    if (rc == PST_OK) {
        (void)host->cfg_bool(cfg, "publish", &publish);
        (void)host->cfg_bool(cfg, "find", &in->find);
        rc = answer(in, "init");
    }
    if (rc == PST_OK && publish) {
        rc = host->publish(self, SERVICE, &in->service, PST_SERVICE_MUST_BE_CONSUMED);
    }
    if (rc != PST_OK) {
        free(in);
        return rc;
    }
    *inst = in;
    return PST_OK;
}

static void on_found(void *arg, const void *table)
{
    (void)table;
    say(arg, "found");
}

static int32_t link_up(void *inst)
{
    struct inst *in = inst;

    if (in->find) {
        (void)host->find_each(in->self, SERVICE, on_found, in);
    }
    return answer(in, "link");
}

static int32_t adopt(void *inst, void *prev)
{
    char call[48];

    (void)snprintf(call, sizeof(call), "adopts %s", ((struct inst *)prev)->tag);
    say(inst, call);
    return answer(inst, "adopt");
}

static int32_t worker_init(void *inst, pst_worker *worker, void **state)
{
    (void)worker;
    *state = malloc(1);
    if (*state == NULL || answer(inst, "worker_init") != PST_OK) {
        free(*state);
        return PST_ERR;
    }
    return PST_OK;
}

static void worker_fini(void *inst, void *state)
{
    say(inst, "worker_fini");
    free(state);
}

static int32_t on_admit(struct pst_call *k)
{
    return answer(k->inst, "admit") == PST_OK ? PST_NEXT : PST_ERROR;
}

static int32_t conn_fini(struct pst_call *k)
{
    say(k->inst, "conn_fini");
    return PST_NEXT;
}

static void retire(void *inst)
{
    say(inst, "retire");
}

static void fini(void *inst)
{
    say(inst, "fini");
    free(inst);
}

static int32_t load(const struct pst_host *h)
{
    host = h;
    return PST_OK;
}

static const struct pst_option options[] = {
    { .name = "tag", .type = PST_OPT_STR, .flags = PST_OPT_REQUIRED, .help = "who speaks" },
    { .name = "fail",
      .type = PST_OPT_STR,
      .def = "never",
      .help = "the call that fails",
      .choices = "never|init|link|adopt|worker_init|admit" },
    { .name = "publish", .type = PST_OPT_BOOL, .def = "false", .help = "publish a service" },
    { .name = "find", .type = PST_OPT_BOOL, .def = "false", .help = "find the services" },
};

static const struct pst_hooks hooks = {
    .size = sizeof(hooks),
    .init = init,
    .link = link_up,
    .adopt = adopt,
    .worker_init = worker_init,
    .worker_fini = worker_fini,
    .on_admit = on_admit,
    .conn_fini = conn_fini,
    .retire = retire,
    .fini = fini,
};

static const struct pst_module module = {
    PST_MODULE_HEAD(0, 0),
    .name = "live-fussy",
    .version = "1.0",
    .scopes = PST_SCOPE_EDGE | PST_SCOPE_LISTENER,
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
