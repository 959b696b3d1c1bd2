/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the example modules begin with: the module in the fake host, and a folder. */
#ifndef POSTERN_T_EXAMPLE_RIG_H
#define POSTERN_T_EXAMPLE_RIG_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_host.h"

static struct fake_host *host;
static struct fake_module *module;
static char dir[] = "/tmp/postern-example-XXXXXX";
static char path[64]; /* a file in it, removed at the end */

static inline void rig_setup(const char *name, const char *file)
{
    const char *modules = getenv("MODULE_DIR");
    char so[512];

    snprintf(so, sizeof(so), "%s/%s.so", modules != NULL ? modules : ".", name);
    host = fake_host_new();
    module = fake_module_load(host, so);
    ck_assert_msg(module != NULL, "%s", fake_host_transcript(host));
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/%s", dir, file);
}

static inline void rig_teardown(void)
{
    unlink(path);
    rmdir(dir);
    memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
    fake_host_free(host);
}

/* An instance at an edge, with a worker. */
static inline struct fake_inst *rig_make(const char *config)
{
    struct fake_inst *i = fake_inst_new(module, PST_SCOPE_EDGE, "api", config);

    ck_assert_msg(i != NULL, "%s", fake_host_transcript(host));
    ck_assert_int_eq(fake_inst_worker(i), PST_OK);
    return i;
}

/* The configuration is refused, and the reason contains `text`. */
static inline void rig_refuses(const char *config, const char *text)
{
    fake_host_forget(host);
    ck_assert_ptr_null(fake_inst_new(module, PST_SCOPE_EDGE, "api", config));
    ck_assert_msg(fake_host_saw(host, text), "no \"%s\" in: %s", text, fake_host_transcript(host));
}

static inline int rig_run(Suite *s, TCase *t)
{
    SRunner *r;
    int failed;

    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed > 0;
}

#endif
