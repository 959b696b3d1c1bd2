/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A test module: suspends on_admit and ends the wait in the way its option names.
 *   resume      NEXT from a timer on the worker
 *   any         NEXT from a helper thread
 *   deny        DENY from a timer
 *   never       only the deadline ends it
 *   late        resumes after the deadline has cancelled it
 *   forgotten   PENDING without suspend(): a module bug the host must deny
 */
#include <stdlib.h>
#include <string.h>

#include <postern_module.h>

static const struct pst_host *host;

struct config {
    char mode[16];
    uint64_t delay;
};

/* Lives past the connection: freed when both the wait and the timer are over. */
struct wait {
    struct wait *next, **at; /* in the list of the worker, while it has a timer */
    const struct config *cfg;
    pst_ticket *ticket;
    pst_timer *timer;
    int cancelled;
    int resumed; /* by the helper thread */
};

static void say(const char *text)
{
    host->log(NULL, NULL, PST_LOG_NOTICE, text, strlen(text));
}

static void list_add(struct wait **list, struct wait *w)
{
    w->next = *list;
    w->at = list;
    if (w->next != NULL) {
        w->next->at = &w->next;
    }
    *list = w;
}

static void wait_free(struct wait *w)
{
    if (w->at != NULL) {
        *w->at = w->next;
        if (w->next != NULL) {
            w->next->at = w->at;
        }
    }
    free(w);
}

static int32_t init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    struct config *c = calloc(1, sizeof(*c));
    struct pst_str mode;

    (void)self;
    if (c == NULL) {
        return PST_ERR_NOMEM;
    }
    if (host->cfg_str(cfg, "mode", &mode) != PST_OK ||
        host->cfg_duration(cfg, "delay", &c->delay) != PST_OK) {
        free(c);
        return PST_ERR_CONFIG;
    }
    memcpy(c->mode, mode.p, mode.n < sizeof(c->mode) ? mode.n : sizeof(c->mode) - 1);
    *inst = c;
    return PST_OK;
}

static void fini(void *inst)
{
    free(inst);
}

static int32_t worker_init(void *inst, pst_worker *worker, void **state)
{
    (void)inst;
    (void)worker;
    *state = calloc(1, sizeof(struct wait *));
    return *state == NULL ? PST_ERR_NOMEM : PST_OK;
}

/*
 * Timers end with the worker's state, so waits of dead connections that they would have ended too.
 */
static void worker_fini(void *inst, void *state)
{
    struct wait **list = state;

    (void)inst;
    while (*list != NULL) {
        host->ticket_free((*list)->ticket);
        wait_free(*list);
    }
    free(list);
}

static void on_cancel(void *arg)
{
    struct wait *w = arg;

    w->cancelled = 1;
    say("live-pending: cancelled");
    if (strcmp(w->cfg->mode, "late") != 0) {
        host->ticket_free(w->ticket);
        if (w->timer != NULL) {
            host->timer_free(w->timer);
        }
        wait_free(w);
    }
}

static void on_timer(void *arg)
{
    struct wait *w = arg;
    int deny = strcmp(w->cfg->mode, "deny") == 0;

    if (w->cancelled) {
        say("live-pending: late resume");
    }
    host->resume(w->ticket, deny ? PST_DENY : PST_NEXT);
    host->timer_free(w->timer);
    wait_free(w);
}

static void job(void *arg)
{
    struct wait *w = arg;

    w->resumed = 1;
    host->resume_any(w->ticket, PST_NEXT);
}

/* A job that was cancelled in the queue never ran, one that was cancelled later did. */
static void job_done(void *arg, int32_t status)
{
    struct wait *w = arg;

    (void)status;
    if (!w->resumed) {
        host->ticket_free(w->ticket);
    }
    free(w);
}

static int32_t resume_elsewhere(pst_worker *worker, struct wait *w)
{
    if (host->offload(PST_OF_WORKER(worker), job, job_done, w) != PST_OK) {
        host->ticket_free(w->ticket);
        free(w);
        return PST_ERROR;
    }
    return PST_PENDING;
}

static int32_t on_admit(struct pst_call *k)
{
    const struct config *cfg = k->inst;
    struct wait *w;

    if (strcmp(cfg->mode, "forgotten") == 0) {
        return PST_PENDING;
    }
    w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return PST_ERROR;
    }
    w->cfg = cfg;
    w->ticket = host->suspend(k->conn, strcmp(cfg->mode, "any") == 0 ? NULL : on_cancel, w);
    if (w->ticket == NULL) {
        free(w);
        return PST_DENY;
    }
    if (strcmp(cfg->mode, "any") == 0) {
        return resume_elsewhere(k->worker, w);
    }
    if (strcmp(cfg->mode, "never") != 0) {
        w->timer = host->timer_new(PST_OF_WORKER(k->worker), on_timer, w);
        list_add(k->worker_state, w);
        (void)host->timer_start(w->timer, cfg->delay);
    }
    return PST_PENDING;
}

static int32_t load(const struct pst_host *h)
{
    host = h;
    return PST_OK;
}

static const struct pst_option options[] = {
    { .name = "mode",
      .type = PST_OPT_STR,
      .flags = PST_OPT_REQUIRED,
      .help = "how the wait ends",
      .choices = "resume|any|deny|never|late|forgotten" },
    { .name = "delay", .type = PST_OPT_DURATION, .def = "50ms", .help = "of the timer" },
};

static const struct pst_hooks hooks = {
    .size = sizeof(hooks),
    .init = init,
    .worker_init = worker_init,
    .worker_fini = worker_fini,
    .on_admit = on_admit,
    .fini = fini,
};

static const struct pst_module module = {
    PST_MODULE_HEAD(0, PST_FLAG_DECIDES),
    .name = "live-pending",
    .version = "1.0",
    .scopes = PST_SCOPE_EDGE,
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
