/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Old hosts and new modules, new hosts and old modules. The table of an old host ends early: what
 * today's modules need must be in 1.0, what came later must be asked for. Argument: the modules
 * that must work in a 1.0 host.
 */
#include <stdio.h>
#include <string.h>

#include "fake_host.h"

static int failures;

#define EXPECT(cond)                                                                               \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "old_host: line %d: %s\n%s", __LINE__, #cond,                          \
                    fake_host_transcript(host));                                                   \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

static struct fake_host *host;
static int32_t metric;

/* As a module with newer headers does it: ask first. */
static int32_t careful_load(const struct pst_host *h)
{
    metric = -1;
    if (PST_HAS(h, metric_define)) {
        metric = h->metric_define("careful", "loads", "times loaded", PST_METRIC_COUNTER);
    }
    return PST_OK;
}

/* A descriptor and hooks of a later minor version: longer than what this host knows. */
struct long_module {
    struct pst_module m;
    void (*added)(void);
};

struct long_hooks {
    struct pst_hooks h;
    pst_hook on_added;
};

static struct long_hooks hooks = { .h = { .size = sizeof(hooks) } };

static struct pst_module careful(uint16_t needed)
{
    struct pst_module m = { PST_MODULE_HEAD(0, 0) };

    m.minor_needed = needed;
    m.name = "careful";
    m.version = "1";
    m.scopes = PST_SCOPE_EDGE;
    m.hooks = &hooks.h;
    m.load = careful_load;
    return m;
}

static void ending_early(void)
{
    struct pst_module m = careful(0);

    host = fake_host_new();
    EXPECT(fake_module_add(host, &m) != NULL);
    EXPECT(metric >= 0);
    fake_host_free(host);

    host = fake_host_new();
    fake_host_truncate(host, (uint32_t)offsetof(struct pst_host, metric_define), 0);
    EXPECT(fake_module_add(host, &m) != NULL);
    EXPECT(metric == -1);
    fake_host_free(host);
}

static void needing_more(void)
{
    struct pst_module m = careful(PST_ABI_MINOR + 1);
    char text[64];

    host = fake_host_new();
    EXPECT(fake_module_add(host, &m) == NULL);
    snprintf(text, sizeof(text), "needs ABI 1.%d, this host has 1.%d", PST_ABI_MINOR + 1,
             PST_ABI_MINOR);
    EXPECT(fake_host_saw(host, text));
    fake_host_free(host);
}

static void other_majors_and_sizes(void)
{
    struct long_module longer = { .m = careful(0) };
    struct pst_module m = careful(0);

    host = fake_host_new();
    m.major = 2;
    EXPECT(fake_module_add(host, &m) == NULL);
    EXPECT(fake_host_saw(host, "built for ABI 2, this host speaks 1"));
    m = careful(0);
    m.size -= 8;
    EXPECT(fake_module_add(host, &m) == NULL);
    EXPECT(fake_host_saw(host, "smaller than in ABI 1.0"));
    longer.m.size = sizeof(longer);
    EXPECT(fake_module_add(host, &longer.m) != NULL);
    fake_host_free(host);
}

static void todays_module(const char *path)
{
    struct fake_module *m;

    host = fake_host_new();
    fake_host_truncate(host, (uint32_t)FAKE_HOST_SIZE_1_0, 0);
    m = fake_module_load(host, path);
    EXPECT(m != NULL || fake_host_saw(host, "needs ABI 1."));
    fake_host_free(host);
}

/* Every member of the 1.0 table is there: modules may call them without asking. */
static void complete_table(void)
{
    const char *table;

    host = fake_host_new();
    table = (const char *)fake_host_table(host);
    for (size_t at = offsetof(struct pst_host, log_enabled); at < FAKE_HOST_SIZE_1_0;
         at += sizeof(void *)) {
        void *p;

        memcpy(&p, table + at, sizeof(p));
        if (p == NULL) {
            fprintf(stderr, "old_host: nothing at offset %zu of the host table\n", at);
            failures++;
        }
    }
    fake_host_free(host);
}

int main(int argc, char **argv)
{
    complete_table();
    ending_early();
    needing_more();
    other_majors_and_sizes();
    for (int i = 1; i < argc; i++) {
        todays_module(argv[i]);
    }
    return failures > 0;
}
