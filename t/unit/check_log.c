/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define STAMP_N  28 /* "2026-11-21T05:00:00.123456Z " */
#define THREADS  4
#define LINES    3000

static char dir[64];
static char path[128];

static void setup(void)
{
    snprintf(dir, sizeof(dir), "check_log.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/log", dir);
    log_init();
}

static void teardown(void)
{
    char file[512];
    DIR *d = opendir(dir);

    log_stop();
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        snprintf(file, sizeof(file), "%s/%s", dir, e->d_name);
        unlink(file);
    }
    if (d) {
        closedir(d);
    }
    rmdir(dir);
}

/* The whole file, NUL-terminated. */
static char *slurp(const char *file)
{
    FILE *f = fopen(file, "r");
    char *text = NULL;
    size_t cap = 0;

    ck_assert_msg(f != NULL, "%s: %s", file, strerror(errno));
    if (getdelim(&text, &cap, '\0', f) < 0) {
        free(text);
        text = strdup("");
    }
    fclose(f);
    ck_assert_ptr_nonnull(text);
    return text;
}

/* --- one line --------------------------------------------------------------------------------- */

/* What was logged since log_start(), as one text behind the stamp of its only line. */
static void expect_line(const char *want)
{
    log_stop();
    char *text = slurp(path);
    ck_assert_uint_ge(strlen(text), STAMP_N);
    for (int i = 0; i < STAMP_N; i++) {
        const char *shape = "0000-00-00T00:00:00.000000Z ";
        bool digit = text[i] >= '0' && text[i] <= '9';
        ck_assert(shape[i] == '0' ? digit : text[i] == shape[i]);
    }
    ck_assert_str_eq(text + STAMP_N, want);
    free(text);
}

START_TEST(test_fields)
{
    const struct pst_addr a = { .family = PST_AF_INET, .port = 80, .ip = { 192, 0, 2, 1 } };
    const char *none = NULL;

    ck_assert_int_eq(log_start(LOG_FILE, path), 0);
    LOG(PST_LOG_NOTICE, "hello", LOGF_U64("u", UINT64_MAX), LOGF_I64("i", -5), LOGF_ADDR("a", &a),
        LOGF_Z("z", "word"), LOGF_Z("none", none), LOGF_Z("empty", ""),
        LOGF_STR("s", ((struct pst_str){ "two words", 9 })));
    expect_line("level=notice msg=\"hello\" u=18446744073709551615 i=-5 a=192.0.2.1:80 z=word "
                "empty=\"\" s=\"two words\"\n");
}
END_TEST

static const struct {
    const char *value;
    size_t n;
    const char *want;
} values[] = {
    { "a.test", 6, "a.test" },
    { "[2001:db8::1]:80", 16, "[2001:db8::1]:80" },
    { "x\ny", 3, "\"x\\x0ay\"" },
    { "x\"y", 3, "\"x\\\"y\"" },
    { "x\\y", 3, "\"x\\\\y\"" },
    { "a=b", 3, "\"a=b\"" },
    { "\0", 1, "\"\\x00\"" },
    { "\x1b[31m", 5, "\"\\x1b[31m\"" },
    { "\xff\xfe", 2, "\"\\xff\\xfe\"" },
    { "\xc2\x85", 2, "\"\\xc2\\x85\"" },
    { "x\r\nlevel=error", 14, "\"x\\x0d\\x0alevel=error\"" },
};

START_TEST(test_values_are_escaped)
{
    char want[128];

    ck_assert_int_eq(log_start(LOG_FILE, path), 0);
    LOG(PST_LOG_INFO, "m", LOGF_STR("k", ((struct pst_str){ values[_i].value, values[_i].n })));
    snprintf(want, sizeof(want), "level=info msg=\"m\" k=%s\n", values[_i].want);
    expect_line(want);
}
END_TEST

START_TEST(test_message_is_escaped)
{
    ck_assert_int_eq(log_start(LOG_FILE, path), 0);
    log_msg(PST_LOG_ERROR, "%s %d", "a\n\"b\"", 7);
    expect_line("level=error msg=\"a\\x0a\\\"b\\\" 7\"\n");
}
END_TEST

/* A value that is too long is cut, and the line still ends properly. */
START_TEST(test_long_line)
{
    static char big[10000];

    memset(big, 'x', sizeof(big));
    ck_assert_int_eq(log_start(LOG_FILE, path), 0);
    LOG(PST_LOG_INFO, "m", LOGF_STR("k", ((struct pst_str){ big, sizeof(big) })),
        LOGF_U64("left_out", 1));
    log_stop();
    char *text = slurp(path);
    size_t n = strlen(text);
    ck_assert_uint_le(n, 4096);
    ck_assert_uint_gt(n, 4000);
    ck_assert_str_eq(text + n - 6, "x...\"\n");
    free(text);
}
END_TEST

START_TEST(test_levels)
{
    ck_assert_int_eq(log_level_parse("error"), PST_LOG_ERROR);
    ck_assert_int_eq(log_level_parse("debug"), PST_LOG_DEBUG);
    ck_assert_int_eq(log_level_parse("Info"), ERR_INVALID);
    ck_assert_int_eq(log_level_parse(""), ERR_INVALID);
    ck_assert(log_on(PST_LOG_INFO));
    ck_assert(!log_on(PST_LOG_DEBUG));
    ck_assert_int_eq(log_start(LOG_FILE, path), 0);
    log_set_level(PST_LOG_WARNING);
    log_msg(PST_LOG_NOTICE, "no");
    LOG(PST_LOG_INFO, "no", LOGF_U64("n", 1));
    log_msg(PST_LOG_WARNING, "yes");
    expect_line("level=warning msg=\"yes\"\n");
}
END_TEST

START_TEST(test_limit)
{
    static struct log_limit l;
    uint32_t held = 99;
    int allowed = 0;

    /* All in one window of 10 seconds, or else the window changed once in between. */
    for (int i = 0; i < 100; i++) {
        allowed += log_limit_ok(&l, 5, &held);
    }
    ck_assert(allowed == 5 || allowed == 10);
    ck_assert_uint_eq(atomic_load(&l.held) + held, 100u - (uint32_t)allowed);
    /* A window later: allowed again, and told how many were not. */
    uint32_t waiting = atomic_load(&l.held);
    atomic_store(&l.window, 1);
    ck_assert(log_limit_ok(&l, 5, &held));
    ck_assert_uint_eq(held, waiting);
}
END_TEST

/* --- the ring --------------------------------------------------------------------------------- */

static void write_lines(int thread, int n)
{
    for (int i = 0; i < n; i++) {
        LOG(PST_LOG_INFO, "line", LOGF_I64("thread", thread), LOGF_I64("n", i));
    }
}

static void *chatter(void *arg)
{
    write_lines(*(int *)arg, LINES);
    return NULL;
}

/*
 * Check that each line of a text is whole. next[t] is the number expected of thread t, or a
 * larger one when there may be gaps; *lines grows. Answers the sum that "log lines dropped" tells.
 */
static uint64_t check_lines(const char *text, int next[THREADS], bool gaps, int *lines)
{
    uint64_t announced = 0;

    while (*text != '\0') {
        const char *end = strchr(text, '\n');
        int thread, number, used = 0;
        unsigned long long n;

        ck_assert_msg(end != NULL, "a split line: %s", text);
        const char *p = text + STAMP_N;
        if (sscanf(p, "level=info msg=\"line\" thread=%d n=%d%n", &thread, &number, &used) == 2) {
            ck_assert_ptr_eq(p + used, end);
            ck_assert(gaps ? number >= next[thread] : number == next[thread]);
            next[thread] = number + 1;
            ++*lines;
        } else {
            ck_assert_msg(sscanf(p, "level=warning msg=\"log lines dropped\" count=%llu", &n) == 1,
                          "a foreign line: %s", text);
            announced += n;
        }
        text = end + 1;
    }
    return announced;
}

START_TEST(test_reopen_loses_nothing)
{
    pthread_t threads[THREADS];
    int ids[THREADS], next[THREADS] = { 0 };
    char rotated[160];
    int files = 0, lines = 0;

    ck_assert_int_eq(log_start(LOG_FILE, path), 0);
    for (int i = 0; i < THREADS; i++) {
        ids[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, chatter, &ids[i]), 0);
    }
    for (; files < 20; files++) {
        snprintf(rotated, sizeof(rotated), "%s.%d", path, files);
        ck_assert_int_eq(rename(path, rotated), 0);
        ck_assert_int_eq(log_reopen(), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    log_stop();
    ck_assert_uint_eq(log_dropped(), 0);
    for (int i = 0; i <= files; i++) {
        snprintf(rotated, sizeof(rotated), i < files ? "%s.%d" : "%s", path, i);
        char *text = slurp(rotated);
        check_lines(text, next, false, &lines);
        free(text);
    }
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(next[i], LINES);
    }
}
END_TEST

/* Make fd 2 the writing end of a pipe; answers the reading end. */
static int stderr_pipe(void)
{
    int p[2];

    ck_assert_int_eq(pipe(p), 0);
    ck_assert_int_eq(dup2(p[1], STDERR_FILENO), STDERR_FILENO);
    close(p[1]);
    return p[0];
}

struct drain {
    int fd;
    char *text;
    size_t n;
};

static void *drain(void *arg)
{
    struct drain *d = arg;
    size_t cap = 16u << 20;
    ssize_t n;

    d->text = malloc(cap);
    if (!d->text) {
        abort();
    }
    while ((n = read(d->fd, d->text + d->n, cap - 1 - d->n)) > 0) {
        d->n += (size_t)n;
    }
    d->text[d->n] = '\0';
    return NULL;
}

/* Nobody reads: callers go on, lines are dropped and counted; then somebody does. */
START_TEST(test_full_pipe)
{
    struct drain d = { .fd = stderr_pipe() };
    int next[THREADS] = { 0 }, lines = 0;
    pthread_t reader;

    ck_assert_int_eq(log_start(LOG_STDERR, NULL), 0);
    write_lines(0, 20 * LINES);
    uint64_t dropped = log_dropped();
    ck_assert_uint_gt(dropped, 0);
    ck_assert_int_eq(pthread_create(&reader, NULL, drain, &d), 0);
    log_stop();
    close(STDERR_FILENO);
    pthread_join(reader, NULL);
    ck_assert_uint_eq(log_dropped(), dropped);
    ck_assert_uint_eq(check_lines(d.text, next, true, &lines), dropped);
    ck_assert_int_eq(lines, (int)(20 * LINES - dropped));
    free(d.text);
    close(d.fd);
}
END_TEST

/* Nobody ever reads: log_stop() gives up, and what was lost is counted. */
START_TEST(test_stop_with_stuck_pipe)
{
    int fd = stderr_pipe();
    char space[4096];
    ssize_t n;
    size_t got = 0, lines = 0;

    ck_assert_int_eq(log_start(LOG_STDERR, NULL), 0);
    write_lines(0, LINES);
    uint64_t deadline = clock_ns() + 20000000000u;
    log_stop();
    ck_assert_uint_lt(clock_ns(), deadline);
    close(STDERR_FILENO);
    while ((n = read(fd, space, sizeof(space))) > 0) {
        got += (size_t)n;
        for (ssize_t i = 0; i < n; i++) {
            lines += space[i] == '\n';
        }
    }
    ck_assert_uint_gt(got, 0);
    ck_assert_uint_ge(lines + log_dropped(), LINES);
    ck_assert_uint_gt(log_dropped(), 0);
    close(fd);
}
END_TEST

/* The target fails; the lines wait and go to the next one. */
static void expect_recovery(void)
{
    int next[THREADS] = { 0 }, lines = 0;

    write_lines(0, LINES);
    ck_assert_int_eq(log_retarget(LOG_FILE, path), 0);
    log_msg(PST_LOG_INFO, "last");
    log_stop();
    ck_assert_uint_eq(log_dropped(), 0);
    char *text = slurp(path);
    char *last = strstr(text, "level=info msg=\"last\"\n");
    ck_assert_ptr_nonnull(last);
    last[-STAMP_N] = '\0';
    check_lines(text, next, false, &lines);
    ck_assert_int_eq(next[0], LINES);
    free(text);
}

START_TEST(test_no_space_left)
{
    ck_assert_int_eq(log_start(LOG_FILE, "/dev/full"), 0);
    expect_recovery();
}
END_TEST

START_TEST(test_broken_pipe)
{
    close(stderr_pipe());
    ck_assert_int_eq(log_start(LOG_STDERR, NULL), 0);
    expect_recovery();
}
END_TEST

START_TEST(test_open_fails)
{
    char bad[160];

    snprintf(bad, sizeof(bad), "%s/absent/log", dir);
    ck_assert_int_eq(log_start(LOG_FILE, bad), ERR_SYS);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(log_start(LOG_FILE, path), 0);
    ck_assert_int_eq(log_retarget(LOG_FILE, bad), ERR_SYS);
    log_msg(PST_LOG_INFO, "still here");
    expect_line("level=info msg=\"still here\"\n");
}
END_TEST

/* Without a writer lines go straight to stderr. */
START_TEST(test_synchronous)
{
    int fd = stderr_pipe();
    char text[256] = "";

    log_msg(PST_LOG_INFO, "at once");
    ck_assert_int_gt((int)read(fd, text, sizeof(text) - 1), STAMP_N);
    ck_assert_str_eq(text + STAMP_N, "level=info msg=\"at once\"\n");
    close(fd);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log");
    TCase *tc = tcase_create("log");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_fields);
    tcase_add_loop_test(tc, test_values_are_escaped, 0, COUNT(values));
    tcase_add_test(tc, test_message_is_escaped);
    tcase_add_test(tc, test_long_line);
    tcase_add_test(tc, test_levels);
    tcase_add_test(tc, test_limit);
    tcase_add_test(tc, test_reopen_loses_nothing);
    tcase_add_test(tc, test_full_pipe);
    tcase_add_test(tc, test_stop_with_stuck_pipe);
    tcase_add_test(tc, test_no_space_left);
    tcase_add_test(tc, test_broken_pipe);
    tcase_add_test(tc, test_open_fails);
    tcase_add_test(tc, test_synchronous);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
