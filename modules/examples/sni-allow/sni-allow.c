/* SPDX-License-Identifier: MIT-0 */
/*
 * sni-allow: lets through clients whose server name is in a file, and nobody else.
 *
 *     modules = ( { module = "sni-allow"; file = "names.txt"; } );
 *
 * The file is read with the configuration and again with each reload of it. See README.md.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <postern_module.h>

#include "names.h"

#define NAME "sni-allow"

/* Of a file with one wrong column, not every line is reported. */
#define SHOWN_ERRORS 20

static const struct pst_host *host;
static int32_t metric_denied;

struct list {
    struct names names;
    char *text;
};

struct reader {
    const pst_cfg *at;
    const char *path;
    size_t errors;
};

static const struct pst_option options[] = {
    { .name = "file",
      .type = PST_OPT_PATH,
      .flags = PST_OPT_REQUIRED,
      .help = "names that are let through, one a line" },
};

static int32_t load(const struct pst_host *h)
{
    host = h;
    metric_denied = host->metric_define(NAME, "denied", "clients refused", PST_METRIC_COUNTER);
    return metric_denied < 0 ? PST_ERR : PST_OK;
}

static void cfg_error(const pst_cfg *at, const char *path, const char *what)
{
    char text[512];
    int n = snprintf(text, sizeof(text), "%s: %s", path, what);

    host->cfg_error(at, text, n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

static void wrong_line(void *arg, size_t line)
{
    struct reader *r = arg;
    char text[96];

    if (++r->errors <= SHOWN_ERRORS) {
        snprintf(text, sizeof(text), "line %zu is no host name; non-ASCII names are written xn--",
                 line);
        cfg_error(r->at, r->path, text);
    }
}

/* The whole file; NULL with errno. */
static char *slurp(const char *path, size_t *n)
{
    FILE *f = fopen(path, "re");
    char *data = NULL, *more;
    size_t room = 0, got = 0;

    *n = 0;
    if (f == NULL) {
        return NULL;
    }
    do {
        if (*n == room) {
            room = room * 2 + 4096;
            more = realloc(data, room);
            if (more == NULL) {
                break;
            }
            data = more;
        }
        errno = 0;
        got = fread(data + *n, 1, room - *n, f);
        *n += got;
    } while (got > 0);
    if (data != NULL && (ferror(f) || !feof(f))) {
        free(data);
        data = NULL;
    }
    fclose(f);
    return data;
}

static void fini(void *inst)
{
    struct list *l = inst;

    names_free(&l->names);
    free(l->text);
    free(l);
}

/* PST_OK with the names of the file at `path` in l. */
static int32_t read_file(struct list *l, const pst_cfg *at, const char *path)
{
    struct reader r = { .at = at, .path = path };
    size_t n = 0;

    l->text = slurp(path, &n);
    if (l->text == NULL) {
        cfg_error(at, path, strerror(errno != 0 ? errno : ENOMEM));
        return PST_ERR_CONFIG;
    }
    if (names_read(&l->names, l->text, n, wrong_line, &r) != 0) {
        cfg_error(at, path, "out of memory");
        return PST_ERR_NOMEM;
    }
    if (r.errors > 0) {
        return PST_ERR_CONFIG;
    }
    if (l->names.n == 0) {
        host->cfg_warn(at, "there is no name in the file: nobody is let through", 51);
    }
    return PST_OK;
}

static int32_t init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    struct list *l = calloc(1, sizeof(*l));
    struct pst_str path;
    int32_t rc;

    (void)self;
    if (l == NULL) {
        host->cfg_error(cfg, "out of memory", 13);
        return PST_ERR_NOMEM;
    }
    rc = host->cfg_path(cfg, "file", &path);
    if (rc == PST_OK) {
        rc = read_file(l, host->cfg_get(cfg, "file"), path.p);
    }
    if (rc != PST_OK) {
        fini(l); /* the host does not call it after a failure */
        return rc;
    }
    *inst = l;
    return PST_OK;
}

/* At a listener before the edge is chosen, at an edge when it is. */
static int32_t judge(struct pst_call *k)
{
    const struct list *l = k->inst;
    const struct pst_hello *tls = host->conn_hello(k->conn);

    if (tls != NULL && names_have(&l->names, tls->sni.p, tls->sni.n)) {
        return PST_NEXT;
    }
    host->metric_add(metric_denied, 1);
    host->deny(k->conn, "sni-unlisted", 12, "the server name is not on the list", 34);
    return PST_DENY;
}

static const struct pst_hooks hooks = {
    .size = sizeof(hooks),
    .init = init,
    .on_client_hello = judge,
    .on_admit = judge,
    .fini = fini,
};

static const struct pst_module module = {
    PST_MODULE_HEAD(0, PST_FLAG_DECIDES),
    .name = NAME,
    .version = "1.0.0",
    .scopes = PST_SCOPE_LISTENER | PST_SCOPE_EDGE,
    .n_options = sizeof(options) / sizeof(options[0]),
    .option_size = sizeof(options[0]),
    .options = options,
    .hooks = &hooks,
    .load = load,
};

const struct pst_module *postern_module_v1(void)
{
    return &module;
}
