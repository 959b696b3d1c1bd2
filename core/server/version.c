/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/server/version.h"

#include <dirent.h>
#include <event2/event.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "core/base/err.h"
#include "core/base/metrics.h"
#include "core/config/conf.h"
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

/* A module says itself what it stands on, so each is loaded as for service. */
static void print_modules(const char *dir)
{
    struct pst_host host = { 0 };
    struct dirent **entries = NULL;
    int n = 0;

    if (conn_vars_register() != ERR_OK) {
        return;
    }
    host_fill(&host);
    conn_host_fill(&host);
    n = scandir(dir, &entries, is_module, alphasort);
    for (int i = 0; i < n; i++) {
        entries[i]->d_name[strlen(entries[i]->d_name) - SUFFIX_LEN] = '\0';
        print_module(dir, entries[i]->d_name, &host);
        free(entries[i]);
    }
    free(entries);
    module_unload_all();
    vars_reset();
    metrics_free();
}

int version_print(const char *conf_path)
{
    struct conf_errors *errors = NULL;
    struct conf *conf = NULL;
    const char *dir = POSTERN_MODULE_DIR;
    int rc = EXIT_FAILED;

    if (conf_path != NULL) {
        errors = conf_errors_new();
        conf = errors == NULL ? NULL : conf_load(conf_path, errors);
        if (conf == NULL || conf_errors_count(errors) > 0) {
            fprintf(stderr, "postern: error: %s cannot be used; postern -t says why\n", conf_path);
            goto out;
        }
        dir = conf->module_dir != NULL ? conf->module_dir : dir;
    }
    print_self(dir);
    print_modules(dir);
    rc = EXIT_OK;
out:
    conf_free(conf);
    conf_errors_free(errors);
    return rc;
}
