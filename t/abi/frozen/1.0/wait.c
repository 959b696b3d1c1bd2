/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A module of 1.0: holds every connection for a while, then lets it go on. */
#include <postern_module.h>

static const struct pst_host *host;

/* An instance. */
static uint64_t delay_ms;

struct state {
    pst_ticket *ticket;
    pst_timer *timer;
};

static const struct pst_option options[] = {
    { .name = "delay", .type = PST_OPT_DURATION, .def = "50ms", .help = "how long", .max = 60000 },
};

static int32_t load(const struct pst_host *h)
{
    host = h;
    return PST_OK;
}

static int32_t init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    (void)self;
    *inst = &delay_ms;
    return host->cfg_duration(cfg, "delay", &delay_ms);
}

static void fire(void *arg)
{
    struct state *s = arg;
    pst_ticket *t = s->ticket;

    s->ticket = NULL;
    if (t != NULL) {
        host->resume(t, PST_NEXT);
    }
}

static void cancel(void *arg)
{
    struct state *s = arg;

    host->ticket_free(s->ticket);
    s->ticket = NULL;
    host->timer_stop(s->timer);
}

static int32_t on_admit(struct pst_call *k)
{
    struct state *s = k->state;

    s->timer = host->timer_new(PST_OF_CONN(k->conn), fire, s);
    s->ticket = s->timer != NULL ? host->suspend(k->conn, cancel, s) : NULL;
    if (s->ticket == NULL || host->timer_start(s->timer, *(uint64_t *)k->inst) != PST_OK) {
        return PST_ERROR;
    }
    return PST_PENDING;
}

static const struct pst_hooks hooks = { .size = sizeof(hooks), .init = init, .on_admit = on_admit };

static const struct pst_module module = {
    PST_MODULE_HEAD(0, 0),
    .name = "frozen-wait",
    .version = "1.0",
    .scopes = PST_SCOPE_EDGE,
    .conn_state_size = sizeof(struct state),
    .n_options = 1,
    .option_size = sizeof(options[0]),
    .options = options,
    .hooks = &hooks,
    .load = load,
};

const struct pst_module *postern_module_v1(void)
{
    return &module;
}
