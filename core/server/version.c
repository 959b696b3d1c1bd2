/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/server/version.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <libconfig.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "core/base/err.h"
#include "core/base/metrics.h"
#include "core/config/conf.h"
#include "core/config/conf_describe.h"
#include "core/config/conf_error.h"
#include "core/conn/conn.h"
#include "core/module/host.h"
#include "core/module/load.h"
#include "core/module/vars.h"
#include "core/server/opts.h"
#include "plugin-api/postern_module.h"

#define SUFFIX     ".so"
#define SUFFIX_LEN (sizeof(SUFFIX) - 1)

static void print_self(const char *module_dir)
{
    printf("postern %s\n", PACKAGE_VERSION);
    printf("module ABI:  %d.%d\n", PST_ABI_MAJOR, PST_ABI_MINOR);
    printf("config:      %s/postern/postern.conf\n", POSTERN_SYSCONFDIR);
    printf("libevent:    %s (built with %s)\n", event_get_version(), LIBEVENT_VERSION);
    printf("libconfig:   %d.%d.%d\n", LIBCONFIG_VER_MAJOR, LIBCONFIG_VER_MINOR,
           LIBCONFIG_VER_REVISION);
#if defined(__VERSION__)
    printf("compiler:    %s\n", __VERSION__);
#endif
    printf("modules:     %s\n", module_dir);
}

static int is_module(const struct dirent *e)
{
    size_t n = strlen(e->d_name);

    return n > SUFFIX_LEN && strcmp(e->d_name + n - SUFFIX_LEN, SUFFIX) == 0;
}

static void print_module(const char *dir, const char *name, const struct pst_host *host)
{
    char why[512] = "";
    const struct module *m = module_get(dir, name, host, why, sizeof(why));

    if (m == NULL) {
        printf("  %s cannot be loaded: %s\n", name, why);
    } else {
        printf("  %s %s\n", name, m->desc.version != NULL ? m->desc.version : "(no version)");
    }
}

/* A module is looked at as it would be for service, so load() gets a whole host. */
static bool host_open(struct pst_host *host)
{
    *host = (struct pst_host){ 0 };
    if (conn_vars_register() != ERR_OK) {
        return false;
    }
    host_fill(host);
    conn_host_fill(host);
    return true;
}

static void host_close(void)
{
    module_unload_all();
    vars_reset();
    metrics_free();
}

static void print_modules(const char *dir)
{
    struct pst_host host;
    struct dirent **entries = NULL;
    int n = 0;

    if (!host_open(&host)) {
        return;
    }
    n = scandir(dir, &entries, is_module, alphasort);
    for (int i = 0; i < n; i++) {
        entries[i]->d_name[strlen(entries[i]->d_name) - SUFFIX_LEN] = '\0';
        print_module(dir, entries[i]->d_name, &host);
        free(entries[i]);
    }
    free(entries);
    host_close();
}

/* The module folder of a configuration, NULL: the compiled-in one. False: a message was printed. */
static bool module_dir_of(const char *conf_path, struct conf **conf, const char **dir)
{
    struct conf_errors *errors = NULL;
    bool good = true;

    *dir = POSTERN_MODULE_DIR;
    if (conf_path == NULL) {
        return true;
    }
    errors = conf_errors_new();
    *conf = errors == NULL ? NULL : conf_load(conf_path, errors);
    if (*conf == NULL || conf_errors_count(errors) > 0) {
        fprintf(stderr, "postern: error: %s cannot be used; postern -t says why\n", conf_path);
        good = false;
    } else if ((*conf)->module_dir != NULL) {
        *dir = (*conf)->module_dir;
    }
    conf_errors_free(errors);
    return good;
}

int version_print(const char *conf_path)
{
    struct conf *conf = NULL;
    const char *dir;
    bool good = module_dir_of(conf_path, &conf, &dir);

    if (good) {
        print_self(dir);
        print_modules(dir);
    }
    conf_free(conf);
    return good ? EXIT_OK : EXIT_FAILED;
}

/* "a/b/c.so" into "/x/a/b" and "c". False: no such file. */
static bool split_path(const char *given, char dir[PATH_MAX], char name[NAME_MAX + 1])
{
    char path[PATH_MAX];
    const char *base;
    size_t n;

    if (realpath(given, path) == NULL) {
        return false;
    }
    base = strrchr(path, '/') + 1;
    n = strlen(base);
    if (n > SUFFIX_LEN && strcmp(base + n - SUFFIX_LEN, SUFFIX) == 0) {
        n -= SUFFIX_LEN;
    }
    snprintf(dir, PATH_MAX, "%.*s", (int)(base - path), path);
    snprintf(name, NAME_MAX + 1, "%.*s", (int)n, base);
    return true;
}

/* NULL: why[] says what is wrong. The host must be open. */
static const struct module *find_module(const char *dir, const char *module,
                                        const struct pst_host *host, char *why, size_t why_n)
{
    char own_dir[PATH_MAX], name[NAME_MAX + 1];

    if (strchr(module, '/') == NULL) {
        return module_get(dir, module, host, why, why_n);
    }
    if (!split_path(module, own_dir, name)) {
        snprintf(why, why_n, "%s", strerror(errno));
        return NULL;
    }
    return module_get(own_dir, name, host, why, why_n);
}

int options_print(const char *conf_path, const char *module)
{
    struct pst_host host;
    struct conf *conf = NULL;
    const struct module *m = NULL;
    char why[512] = "out of memory";
    const char *dir;

    if (strcmp(module, CORE_OPTIONS) == 0) {
        conf_describe_core(stdout);
        return EXIT_OK;
    }
    if (!module_dir_of(conf_path, &conf, &dir)) {
        goto out;
    }
    if (host_open(&host)) {
        m = find_module(dir, module, &host, why, sizeof(why));
    }
    if (m == NULL) {
        fprintf(stderr, "postern: error: module %s: %s\n", module, why);
    } else {
        conf_describe(stdout, m->desc.options, m->desc.n_options, m->desc.option_size);
    }
    host_close();
out:
    conf_free(conf);
    return m != NULL ? EXIT_OK : EXIT_FAILED;
}
