/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole configuration file: it is read, or refused with an error; its module entries are then
 * declared and walked as a module would.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/config/conf_error.h"
#include "core/config/conf_priv.h"
#include "core/config/conf_reader.h"
#include "plugin-api/pst_abi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
const char *__lsan_default_suppressions(void);

/* libconfig 1.5 forgets a string that it meets where the grammar wants none. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig.so\n";
}

static const struct pst_option inner[] = {
    { .name = "cn", .type = PST_OPT_STR, .flags = PST_OPT_REQUIRED },
    { .name = "depth", .type = PST_OPT_U64, .def = "4", .min = 1, .max = 9 },
};

static const struct pst_option options[] = {
    { .name = "allow", .type = PST_OPT_NET, .flags = PST_OPT_LIST },
    { .name = "default", .type = PST_OPT_STR, .def = "deny", .choices = "deny|allow" },
    { .name = "wait", .type = PST_OPT_DURATION, .def = "1s" },
    { .name = "size", .type = PST_OPT_SIZE, .def = "64k" },
    { .name = "addr", .type = PST_OPT_ADDR },
    { .name = "file", .type = PST_OPT_PATH },
    { .name = "flag", .type = PST_OPT_BOOL, .def = "true" },
    { .name = "rules", .type = PST_OPT_GROUP, .flags = PST_OPT_LIST, .sub = inner, .n_sub = 2 },
};

/* Read a node as everything, and what is in it. Deep files are cut: modules know their depth. */
static void walk(const pst_cfg *node, unsigned depth)
{
    uint32_t n = conf_reader_count(node), flag;
    struct pst_addr addr;
    struct pst_net net;
    struct pst_str s;
    uint64_t number;

    conf_reader_str(node, NULL, &s);
    conf_reader_u64(node, NULL, &number);
    conf_reader_bool(node, NULL, &flag);
    conf_reader_duration(node, NULL, &number);
    conf_reader_size(node, NULL, &number);
    conf_reader_net(node, NULL, &net);
    conf_reader_addr(node, NULL, &addr);
    conf_reader_path(node, NULL, &s);
    for (uint32_t i = 0; i < n && depth < 8; i++) {
        const pst_cfg *kid = conf_reader_at(node, i);

        if (kid == NULL || kid != conf_reader_at(node, i)) {
            abort();
        }
        walk(kid, depth + 1);
    }
}

static void use_modules(const struct conf_module *mods, size_t n, uint32_t scope)
{
    for (size_t i = 0; i < n; i++) {
        conf_reader_declare(mods[i].cfg, options, sizeof(options) / sizeof(options[0]),
                            sizeof(options[0]), scope);
        walk(mods[i].cfg, 0);
        conf_reader_error(mods[i].cfg, "x", 1);
    }
}

/* A conf without errors keeps what conf.h promises. */
static void check_good(const struct conf *c)
{
    if (c->n_listeners == 0 || c->n_edges == 0) {
        abort();
    }
    for (size_t i = 0; i < c->n_listeners; i++) {
        if (c->listeners[i].name == NULL || c->listeners[i].n_addrs == 0) {
            abort();
        }
    }
    for (size_t i = 0; i < c->n_edges; i++) {
        const struct conf_edge *e = &c->edges[i];

        if (e->name == NULL || (e->has_upstream && e->upstream.n_targets == 0)) {
            abort();
        }
        for (size_t k = 0; k < e->upstream.n_targets; k++) {
            if (e->upstream.targets[k].addr.text == NULL || e->upstream.targets[k].weight == 0) {
                abort();
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct conf_errors *errors = conf_errors_new();
    char *text = malloc(n + 1);
    struct conf *c;

    if (errors == NULL || text == NULL) {
        abort();
    }
    memcpy(text, data, n);
    text[n] = '\0';
    c = conf_load_text(text, errors);
    if (c == NULL) {
        abort();
    }
    if (conf_errors_count(errors) == 0) {
        check_good(c);
    }
    for (size_t i = 0; i < c->n_listeners; i++) {
        use_modules(c->listeners[i].modules, c->listeners[i].n_modules, PST_SCOPE_LISTENER);
    }
    for (size_t i = 0; i < c->n_edges; i++) {
        use_modules(c->edges[i].modules, c->edges[i].n_modules, PST_SCOPE_EDGE);
    }
    conf_free(c);
    conf_errors_free(errors);
    free(text);
    return 0;
}
