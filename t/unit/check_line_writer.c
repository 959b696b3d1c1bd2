/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writers of lines beyond what the log needs (check_log): several sinks, blocking, losses. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "t/unit/line_rig.h"

#define THREADS 4
#define LINES   2000

START_TEST(several_sinks)
{
    struct line_sink *a = rig_file_sink(rig_at("a")), *b = rig_file_sink(rig_at("b"));

    rig_put(a, "one");
    rig_put(b, "two");
    rig_put(a, "three");
    ck_assert_uint_eq(line_writer_free(rig_writer, 2000), 0);
    rig_expect_file(rig_at("a"), "one\nthree\n");
    rig_expect_file(rig_at("b"), "two\n");
}
END_TEST

struct chatter {
    struct line_sink *sink;
    int id;
    bool block;
    atomic_int dropped;
};

static void *chat(void *arg)
{
    struct chatter *c = arg;
    char line[64];

    for (int i = 0; i < LINES; i++) {
        int n = snprintf(line, sizeof(line), "line %d %d", c->id, i);

        if (!line_sink_put(c->sink, 6, line, (size_t)n, c->block)) {
            atomic_fetch_add(&c->dropped, 1);
        }
    }
    return NULL;
}

/* Each thread's lines in order and whole; what is missing is told. */
static void check_lines(char *text, int dropped)
{
    int next[THREADS] = { 0 }, id, i;
    unsigned long long told = 0, n;

    for (char *save, *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        if (sscanf(line, "lost %llu", &n) == 1) {
            told += n;
            continue;
        }
        ck_assert_msg(sscanf(line, "line %d %d", &id, &i) == 2, "%s", line);
        ck_assert_int_ge(i, next[id]);
        if (dropped == 0) {
            ck_assert_int_eq(i, next[id]);
        }
        next[id] = i + 1;
    }
    ck_assert_uint_eq(told, (unsigned long long)dropped);
}

START_TEST(many_threads_and_reopen)
{
    struct line_sink *s = rig_file_sink(rig_at("a"));
    struct chatter c[THREADS];
    pthread_t threads[THREADS];
    size_t size = 1;
    char *all = calloc(1, 1);
    int dropped = 0;

    for (int i = 0; i < THREADS; i++) {
        c[i] = (struct chatter){ .sink = s, .id = i, .block = true };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, chat, &c[i]), 0);
    }
    for (int i = 0; i < 10; i++) {
        struct line_target t;
        char name[16];

        snprintf(name, sizeof(name), "a.%d", i);
        ck_assert_int_eq(rename(rig_at("a"), rig_at(name)), 0);
        ck_assert(line_target_file(&t, rig_at("a")));
        line_sink_target(s, &t);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        dropped += atomic_load(&c[i].dropped);
    }
    ck_assert_uint_eq(line_writer_free(rig_writer, 2000), 0);
    ck_assert_int_eq(dropped, 0);
    for (int i = 0; i <= 10; i++) {
        char name[16];

        snprintf(name, sizeof(name), i < 10 ? "a.%d" : "a", i);
        char *text = rig_slurp(rig_at(name));
        size += strlen(text);
        all = realloc(all, size);
        ck_assert_ptr_nonnull(all);
        strcat(all, text);
        free(text);
    }
    check_lines(all, 0);
    free(all);
}
END_TEST

/* A pipe that nobody reads for a while. */
static struct line_sink *pipe_sink(int *reader)
{
    struct line_target t;
    int p[2];

    ck_assert_int_eq(pipe(p), 0);
    t = line_target_fd(p[1]);
    *reader = p[0];
    return rig_sink_on(&t, rig_tell);
}

struct drain {
    int fd;
    char text[4 << 20];
    atomic_size_t n;
};

static void *drain(void *arg)
{
    struct drain *d = arg;
    ssize_t n;

    while ((n = read(d->fd, d->text + d->n, sizeof(d->text) - 1 - d->n)) > 0) {
        d->n += (size_t)n;
    }
    return NULL;
}

START_TEST(full_pipe)
{
    static struct drain d;
    struct chatter c;
    pthread_t reader;
    struct line_sink *s = pipe_sink(&d.fd);

    c = (struct chatter){ .sink = s };
    for (int i = 0; i < 20; i++) {
        chat(&c);
    }
    ck_assert_int_gt(atomic_load(&c.dropped), 0);
    ck_assert_uint_eq(line_sink_dropped(s), (uint64_t)atomic_load(&c.dropped));
    ck_assert_int_eq(pthread_create(&reader, NULL, drain, &d), 0);
    ck_assert_uint_eq(line_writer_free(rig_writer, 5000), (uint64_t)atomic_load(&c.dropped));
    close(d.fd + 1);
    pthread_join(reader, NULL);
    close(d.fd);
    unsigned long long told = 0, n;
    for (const char *p = d.text; (p = strstr(p, "lost ")) != NULL; p++) {
        ck_assert_int_eq(sscanf(p, "lost %llu", &n), 1);
        told += n;
    }
    ck_assert_uint_eq(told, (unsigned long long)atomic_load(&c.dropped));
}
END_TEST

/* With `block` a slow reader loses nothing, and one who never reads stops nobody for long. */
START_TEST(blocking)
{
    static struct drain d;
    struct chatter c;
    pthread_t reader;
    struct line_sink *s = pipe_sink(&d.fd);

    ck_assert_int_eq(pthread_create(&reader, NULL, drain, &d), 0);
    c = (struct chatter){ .sink = s, .block = true };
    for (int i = 0; i < 20; i++) {
        chat(&c);
    }
    ck_assert_int_eq(atomic_load(&c.dropped), 0);
    ck_assert_uint_eq(line_writer_free(rig_writer, 5000), 0);
    close(d.fd + 1);
    pthread_join(reader, NULL);
    close(d.fd);

    rig_writer = line_writer_new(1);
    s = pipe_sink(&d.fd);
    c = (struct chatter){ .sink = s, .block = true };
    uint64_t begin = clock_ns();
    for (int i = 0; i < 20; i++) {
        chat(&c);
    }
    ck_assert_int_gt(atomic_load(&c.dropped), 0);
    ck_assert_uint_lt(clock_ns() - begin, UINT64_C(10000000000));
    ck_assert_uint_ge(line_writer_free(rig_writer, 0), (uint64_t)atomic_load(&c.dropped));
    close(d.fd);
    close(d.fd + 1);
}
END_TEST

START_TEST(too_long)
{
    struct line_sink *s = rig_file_sink(rig_at("a"));
    char *line = malloc(LINE_LONGEST + 1);

    ck_assert_ptr_nonnull(line);
    memset(line, 'x', LINE_LONGEST + 1);
    ck_assert(line_sink_put(s, 6, line, LINE_LONGEST, false));
    ck_assert(!line_sink_put(s, 6, line, LINE_LONGEST + 1, false));
    ck_assert_uint_eq(line_writer_free(rig_writer, 2000), 1);
    char *text = rig_slurp(rig_at("a"));
    ck_assert_uint_eq(strlen(text), LINE_LONGEST + 1 + strlen("lost 1\n"));
    free(text);
    free(line);
}
END_TEST

/* A target that takes nothing at the end: given up, and counted. */
START_TEST(lost_at_the_end)
{
    struct line_target t = line_target_of(LINE_TO_UNIX, rig_at("nobody"));
    struct line_sink *s = rig_sink_on(&t, NULL);

    rig_put(s, "one");
    rig_put(s, "two");
    uint64_t begin = clock_ns();
    ck_assert_uint_eq(line_writer_free(rig_writer, 200), 2);
    ck_assert_uint_lt(clock_ns() - begin, UINT64_C(5000000000));
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, several_sinks);
    tcase_add_test(tc, many_threads_and_reopen);
    tcase_add_test(tc, full_pipe);
    tcase_add_test(tc, blocking);
    tcase_add_test(tc, too_long);
    tcase_add_test(tc, lost_at_the_end);
}

int main(void)
{
    return rig_main("line_writer", add);
}
