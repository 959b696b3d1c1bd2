/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A test module that tries what a sandbox refuses, on a worker, and says in the log what came of
 * it: writing to the files `inside` and `outside`, and system calls with arguments that do no harm
 * when they are allowed.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <postern_module.h>

static const struct pst_host *host;

struct inst {
    struct pst_str inside, outside;
};

static int32_t load(const struct pst_host *h)
{
    host = h;
    return PST_OK;
}

static int32_t init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    struct inst *in = calloc(1, sizeof(*in));

    (void)self;
    if (in == NULL) {
        return PST_ERR_NOMEM;
    }
    if (host->cfg_path(cfg, "inside", &in->inside) != PST_OK ||
        host->cfg_path(cfg, "outside", &in->outside) != PST_OK) {
        free(in);
        return PST_ERR_CONFIG;
    }
    *inst = in;
    return PST_OK;
}

static const char *outcome(long rc)
{
    return rc >= 0 ? "done" : strerrorname_np(errno);
}

static const char *try_write(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const char *said = outcome(fd);

    if (fd >= 0) {
        close(fd);
        (void)unlink(path);
    }
    return said;
}

static int32_t on_admit(struct pst_call *k)
{
    const struct inst *in = k->inst;
    char text[256];
    int n;
    /* Without the sandbox both are EINVAL: no process comes of them. */
    const char *namespace = outcome(syscall(SYS_clone, CLONE_NEWUSER | CLONE_FS, 0, 0, 0, 0));
    const char *unseen = outcome(syscall(SYS_clone3, NULL, 0));

    n = snprintf(text, sizeof(text),
                 "escape: inside %s, outside %s, unshare %s, memory %s, "
                 "setns %s, chroot %s, clone %s, clone3 %s",
                 try_write(in->inside.p), try_write(in->outside.p), outcome(unshare(CLONE_NEWUSER)),
                 outcome(process_vm_readv(getpid(), NULL, 0, NULL, 0, 0)), outcome(setns(-1, 0)),
                 outcome(chroot("")), namespace, unseen);
    host->log(k->self, k->conn, PST_LOG_NOTICE, text, n > 0 ? (size_t)n : 0);
    return PST_NEXT;
}

static const struct pst_option options[] = {
    { .name = "inside", .type = PST_OPT_PATH, .flags = PST_OPT_REQUIRED, .help = "a file" },
    { .name = "outside", .type = PST_OPT_PATH, .flags = PST_OPT_REQUIRED, .help = "a file" },
};

static const struct pst_hooks hooks = {
    .size = sizeof(hooks),
    .init = init,
    .on_admit = on_admit,
    .fini = free,
};

static const struct pst_module module = {
    PST_MODULE_HEAD(0, 0),    .name = "live-escape", .version = "1.0.0",
    .scopes = PST_SCOPE_EDGE, .n_options = 2,        .option_size = sizeof(options[0]),
    .options = options,       .hooks = &hooks,       .load = load,
};

const struct pst_module *postern_module_v1(void)
{
    return &module;
}
