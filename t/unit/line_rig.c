/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "t/unit/line_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"

static char dir[64];
struct line_writer *rig_writer;

void rig_setup(void)
{
    snprintf(dir, sizeof(dir), "check_line.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    log_init();
    log_set_level(-1);
    rig_writer = line_writer_new(1);
    ck_assert_ptr_nonnull(rig_writer);
}

void rig_teardown(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf ./%s", dir);
    ck_assert_int_eq(system(command), 0);
}

const char *rig_at(const char *name)
{
    static char space[4][128];
    static unsigned turn;
    char *p = space[turn++ % 4];

    snprintf(p, sizeof(space[0]), "%s/%s", dir, name);
    return p;
}

size_t rig_tell(char *buf, size_t n, uint64_t lost)
{
    return (size_t)snprintf(buf, n, "lost %llu", (unsigned long long)lost);
}

struct line_sink *rig_sink_on(struct line_target *t, size_t (*tell_lost)(char *, size_t, uint64_t))
{
    const struct line_sink_config cfg = { .name = "test",
                                          .ring = RIG_RING,
                                          .rings = 8,
                                          .tell_lost = tell_lost,
                                          .written = -1,
                                          .dropped = -1,
                                          .errors = -1 };
    struct line_sink *s = line_sink_new(rig_writer, t, &cfg);

    ck_assert_ptr_nonnull(s);
    return s;
}

struct line_sink *rig_file_sink(const char *path)
{
    struct line_target t;

    ck_assert(line_target_file(&t, path));
    return rig_sink_on(&t, rig_tell);
}

void rig_put(struct line_sink *s, const char *z)
{
    ck_assert(line_sink_put(s, 6, z, strlen(z), false));
}

char *rig_slurp(const char *file)
{
    FILE *f = fopen(file, "r");
    char *text = NULL;
    size_t cap = 0;

    if (f == NULL || getdelim(&text, &cap, '\0', f) < 0) {
        free(text);
        text = strdup("");
    }
    if (f != NULL) {
        fclose(f);
    }
    ck_assert_ptr_nonnull(text);
    return text;
}

void rig_expect_file(const char *file, const char *want)
{
    char *text = rig_slurp(file);

    ck_assert_str_eq(text, want);
    free(text);
}

int rig_main(const char *name, void (*add)(TCase *tc))
{
    Suite *s = suite_create(name);
    TCase *tc = tcase_create(name);
    SRunner *sr = srunner_create(s);
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
    add(tc);
    suite_add_tcase(s, tc);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
