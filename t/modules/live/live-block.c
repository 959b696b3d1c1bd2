/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A test module that does what no module may: on_admit waits, and its worker with it, until
 * somebody opens the other end of the named pipe `fifo`.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <postern_module.h>

static const struct pst_host *host;

static int32_t load(const struct pst_host *h)
{
    host = h;
    return PST_OK;
}

static int32_t init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    struct pst_str path;

    (void)self;
    if (host->cfg_path(cfg, "fifo", &path) != PST_OK) {
        return PST_ERR_CONFIG;
    }
    *inst = (void *)(uintptr_t)path.p;
    return PST_OK;
}

static int32_t on_admit(struct pst_call *k)
{
    int fd = open(k->inst, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return PST_ERROR;
    }
    close(fd);
    return PST_NEXT;
}

static const struct pst_option options[] = {
    { .name = "fifo", .type = PST_OPT_PATH, .flags = PST_OPT_REQUIRED, .help = "a named pipe" },
};

static const struct pst_hooks hooks = {
    .size = sizeof(hooks),
    .init = init,
    .on_admit = on_admit,
};

static const struct pst_module module = {
    PST_MODULE_HEAD(0, 0),    .name = "live-block", .version = "1.0.0",
    .scopes = PST_SCOPE_EDGE, .n_options = 1,       .option_size = sizeof(options[0]),
    .options = options,       .hooks = &hooks,      .load = load,
};

const struct pst_module *postern_module_v1(void)
{
    return &module;
}
