/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/server/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/config/conf.h"
#include "core/module/sink.h"
#include "core/server/control.h"

/* Set once a process is in: what it runs is in, too, and could add but not lift anything. */
#define INSIDE "POSTERN_SANDBOX"

/*
 * Ports below 1024 and files of whatever mode at a reload, when there is no `user`; sockets and
 * logs for others; becoming another user in an upgrade.
 */
static const unsigned kept[] = {
    CAP_NET_BIND_SERVICE, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_CHOWN,
    CAP_FOWNER,           CAP_SETUID,       CAP_SETGID
};

static bool is_kept(unsigned cap)
{
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        if (kept[i] == cap) {
            return true;
        }
    }
    return false;
}

int sandbox_capabilities(void)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2] = { 0 };

    if (syscall(SYS_capget, &head, data) != 0) {
        return ERR_SYS;
    }
    for (unsigned cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
        uint32_t mask = 1u << cap % 32;

        if (is_kept(cap)) {
            continue;
        }
        /* Fails for those who have no capability anyway. */
        (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
        data[cap / 32].effective &= ~mask;
        data[cap / 32].permitted &= ~mask;
        data[cap / 32].inheritable &= ~mask;
    }
    return syscall(SYS_capset, &head, data) == 0 ? ERR_OK : ERR_SYS;
}

/* --- folders that stay writable --------------------------------------------------------------- */

struct folders {
    char **at;
    size_t n;
    bool nomem;
};

static void add(struct folders *f, const char *folder, size_t len)
{
    char **p = realloc(f->at, (f->n + 1) * sizeof(char *));
    char *z = p == NULL ? NULL : strndup(len == 0 ? "/" : folder, len == 0 ? 1 : len);

    f->at = p != NULL ? p : f->at;
    f->nomem = f->nomem || z == NULL;
    if (z != NULL) {
        f->at[f->n++] = z;
    }
}

/* The folder that a file lies in. */
static void add_file(void *arg, const char *path)
{
    const char *slash = path == NULL ? NULL : strrchr(path, '/');

    if (slash != NULL) {
        add(arg, path, (size_t)(slash - path));
    }
}

static void collect(const struct conf *c, struct folders *f)
{
    /* /dev/null, terminals, and logs to /dev/stderr. */
    add(f, "/dev", strlen("/dev"));
    add_file(f, c->log_path);
    add_file(f, control_path(c));
    if (c->metrics.enabled && c->metrics.addr.kind == CONF_ADDR_UNIX) {
        add_file(f, c->metrics.addr.path);
    }
    for (size_t i = 0; i < c->n_listeners; i++) {
        for (size_t k = 0; k < c->listeners[i].n_addrs; k++) {
            add_file(f, c->listeners[i].addrs[k].path);
        }
    }
    sinks_each_file(add_file, f);
    for (size_t i = 0; i < c->sandbox.n_writable; i++) {
        add(f, c->sandbox.writable[i], strlen(c->sandbox.writable[i]));
    }
}

static int enter_landlock(const struct conf *conf)
{
    struct folders f = { 0 };
    int rc;

    collect(conf, &f);
    rc = f.nomem ? ERR_SYS : sandbox_landlock(f.at, f.n);
    for (size_t i = 0; i < f.n; i++) {
        free(f.at[i]);
    }
    free(f.at);
    return rc;
}

/* --- all of it -------------------------------------------------------------------------------- */

static const char *text = "none";

const char *sandbox_text(void)
{
    return text;
}

int sandbox_enter(const struct conf *conf, char *why, size_t n)
{
    int landlock, seccomp;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        (void)snprintf(why, n, "no_new_privs: %s", strerror(errno));
        return ERR_SYS;
    }
    if (getenv(INSIDE) != NULL) {
        text = "inherited";
        return ERR_OK;
    }
    if (!conf->sandbox.enabled) {
        return ERR_OK;
    }
    landlock = enter_landlock(conf);
    if (landlock != ERR_OK && landlock != ERR_NOT_FOUND) {
        (void)snprintf(why, n, "landlock: %s", strerror(errno));
        return ERR_SYS;
    }
    seccomp = sandbox_seccomp();
    if (seccomp != ERR_OK && seccomp != ERR_NOT_FOUND) {
        (void)snprintf(why, n, "seccomp: %s", strerror(errno));
        return ERR_SYS;
    }
    text = landlock == ERR_OK  ? seccomp == ERR_OK ? "seccomp landlock" : "landlock"
           : seccomp == ERR_OK ? "seccomp"
                               : "none: the kernel has neither seccomp nor landlock";
    (void)setenv(INSIDE, "1", 1);
    return ERR_OK;
}
