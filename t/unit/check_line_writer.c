/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sinks beyond what the log needs of them (check_log): several, sockets, blocking, taking leave. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/line_ring.h"
#include "core/base/line_writer.h"
#include "core/base/log.h"

#define RING    (2u * LINE_MAX_BYTES)
#define THREADS 4
#define LINES   2000
#define WAIT_NS 20000000000u

static char dir[64];
static struct line_writer *writer;

static void setup(void)
{
    snprintf(dir, sizeof(dir), "check_line.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    log_init();
    log_set_level(-1);
    writer = line_writer_new(1);
    ck_assert_ptr_nonnull(writer);
}

static void teardown(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf ./%s", dir);
    ck_assert_int_eq(system(command), 0);
}

/* A name in the folder; four may be in use. */
static const char *at(const char *name)
{
    static char space[4][128];
    static unsigned turn;
    char *p = space[turn++ % 4];

    snprintf(p, sizeof(space[0]), "%s/%s", dir, name);
    return p;
}

static size_t tell(char *buf, size_t n, uint64_t lost)
{
    return (size_t)snprintf(buf, n, "lost %llu", (unsigned long long)lost);
}

static struct line_sink *sink_on(struct line_target *t,
                                 size_t (*tell_lost)(char *, size_t, uint64_t))
{
    const struct line_sink_config cfg = { .name = "test",
                                          .ring = RING,
                                          .rings = 8,
                                          .tell_lost = tell_lost,
                                          .written = -1,
                                          .dropped = -1,
                                          .errors = -1 };
    struct line_sink *s = line_sink_new(writer, t, &cfg);

    ck_assert_ptr_nonnull(s);
    return s;
}

static struct line_sink *file_sink(const char *path)
{
    struct line_target t;

    ck_assert(line_target_file(&t, path));
    return sink_on(&t, tell);
}

static void put(struct line_sink *s, const char *z)
{
    ck_assert(line_sink_put(s, 6, z, strlen(z), false));
}

static char *slurp(const char *file)
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

static void expect_file(const char *file, const char *want)
{
    char *text = slurp(file);

    ck_assert_str_eq(text, want);
    free(text);
}

static void until(bool (*condition)(void *), void *arg)
{
    uint64_t end = clock_ns() + WAIT_NS;

    while (!condition(arg)) {
        ck_assert_uint_lt(clock_ns(), end);
        usleep(2000);
    }
}

static bool has_size(void *arg)
{
    struct stat st;

    return stat(arg, &st) == 0 && st.st_size > 0;
}

START_TEST(several_sinks)
{
    struct line_sink *a = file_sink(at("a")), *b = file_sink(at("b"));

    put(a, "one");
    put(b, "two");
    put(a, "three");
    ck_assert_uint_eq(line_writer_free(writer, 2000), 0);
    expect_file(at("a"), "one\nthree\n");
    expect_file(at("b"), "two\n");
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
    struct line_sink *s = file_sink(at("a"));
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
        ck_assert_int_eq(rename(at("a"), at(name)), 0);
        ck_assert(line_target_file(&t, at("a")));
        line_sink_target(s, &t);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        dropped += atomic_load(&c[i].dropped);
    }
    ck_assert_uint_eq(line_writer_free(writer, 2000), 0);
    ck_assert_int_eq(dropped, 0);
    for (int i = 0; i <= 10; i++) {
        char name[16];

        snprintf(name, sizeof(name), i < 10 ? "a.%d" : "a", i);
        char *text = slurp(at(name));
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
    return sink_on(&t, tell);
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
    ck_assert_uint_eq(line_writer_free(writer, 5000), (uint64_t)atomic_load(&c.dropped));
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
    ck_assert_uint_eq(line_writer_free(writer, 5000), 0);
    close(d.fd + 1);
    pthread_join(reader, NULL);
    close(d.fd);

    writer = line_writer_new(1);
    s = pipe_sink(&d.fd);
    c = (struct chatter){ .sink = s, .block = true };
    uint64_t begin = clock_ns();
    for (int i = 0; i < 20; i++) {
        chat(&c);
    }
    ck_assert_int_gt(atomic_load(&c.dropped), 0);
    ck_assert_uint_lt(clock_ns() - begin, UINT64_C(10000000000));
    ck_assert_uint_ge(line_writer_free(writer, 0), (uint64_t)atomic_load(&c.dropped));
    close(d.fd);
    close(d.fd + 1);
}
END_TEST

/* --- sockets ---------------------------------------------------------------------------------- */

static int listen_on(const char *path, int type)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    ck_assert(type == SOCK_DGRAM || listen(fd, 4) == 0);
    return fd;
}

/* Read `want` and nothing else from a stream. */
static void expect_stream(int fd, const char *want)
{
    char text[256];
    size_t n = 0;

    while (n < strlen(want)) {
        ssize_t got = read(fd, text + n, sizeof(text) - 1 - n);

        ck_assert_int_gt((int)got, 0);
        n += (size_t)got;
    }
    text[n] = '\0';
    ck_assert_str_eq(text, want);
}

START_TEST(stream_socket)
{
    const char *path = at("socket");
    struct line_target t = line_target_of(LINE_TO_UNIX, path);
    struct line_sink *s = sink_on(&t, tell);

    put(s, "before anybody is there");
    int l = listen_on(path, SOCK_STREAM);
    int c = accept(l, NULL, NULL);
    put(s, "two");
    expect_stream(c, "before anybody is there\ntwo\n");
    close(c);
    /* The first write after the end is lost with the connection, or fails and is kept. */
    put(s, "three");
    c = accept(l, NULL, NULL);
    put(s, "four");
    char text[64] = "";
    ck_assert_int_gt((int)read(c, text, sizeof(text) - 1), 0);
    ck_assert(strncmp(text, "three\n", 6) == 0 || strncmp(text, "four\n", 5) == 0);
    ck_assert_uint_eq(line_writer_free(writer, 2000), 0);
    close(c);
    close(l);
}
END_TEST

START_TEST(datagram_socket)
{
    const char *path = at("socket");
    int l = listen_on(path, SOCK_DGRAM);
    struct line_target t = line_target_of(LINE_TO_UNIX, path);
    struct line_sink *s = sink_on(&t, tell);
    char text[256];

    put(s, "one");
    put(s, "two");
    ck_assert_int_eq((int)recv(l, text, sizeof(text), 0), 3);
    ck_assert_int_eq(memcmp(text, "one", 3), 0);
    ck_assert_int_eq((int)recv(l, text, sizeof(text), 0), 3);
    ck_assert_int_eq(memcmp(text, "two", 3), 0);
    ck_assert_uint_eq(line_writer_free(writer, 2000), 0);
    close(l);
}
END_TEST

/* RFC 5424: <PRI>1 TIMESTAMP HOST APP PROCID MSGID SD MSG */
START_TEST(devlog_socket)
{
    const char *path = at("log");
    int l = listen_on(path, SOCK_DGRAM), pri = 0, pid = 0, used = 0;
    struct line_target t = line_target_of(LINE_TO_DEVLOG, path);
    struct line_sink *s = sink_on(&t, tell);
    char text[512] = "", day[64], host[256];

    put(s, "{\"a\":1}");
    ck_assert_int_gt((int)recv(l, text, sizeof(text) - 1, 0), 0);
    ck_assert_msg(
        sscanf(text, "<%d>1 %63s %255s postern %d - - %n", &pri, day, host, &pid, &used) == 4, "%s",
        text);
    ck_assert_int_eq(pri, 3 * 8 + 6);
    ck_assert_int_eq(pid, (int)getpid());
    ck_assert_uint_eq(strlen(day), 27);
    ck_assert_str_eq(text + used, "{\"a\":1}");
    ck_assert_uint_eq(line_writer_free(writer, 2000), 0);
    close(l);
}
END_TEST

/* --- files ------------------------------------------------------------------------------------ */

START_TEST(deleted_file)
{
    struct line_sink *s = file_sink(at("a"));
    char path[128];

    snprintf(path, sizeof(path), "%s", at("a"));
    put(s, "one");
    until(has_size, path);
    ck_assert_int_eq(unlink(path), 0);
    put(s, "two");
    until(has_size, path);
    ck_assert_uint_eq(line_writer_free(writer, 2000), 0);
    expect_file(path, "two\n");
}
END_TEST

/* The old file is left with whole lines: the half that was written is cut off. */
START_TEST(half_a_line)
{
    struct line_batch b = { 0 };
    struct line_cursor c = { .at = 4 + 2, .line = 1 };
    struct line_target t, next;

    ck_assert(line_batch_fit(&b, 4096));
    ck_assert(line_batch_add(&b, 6, "one", 3));
    ck_assert(line_batch_add(&b, 6, "two", 3));
    ck_assert(line_target_file(&t, at("a")));
    ck_assert_int_eq((int)write(t.fd, "one\ntw", 6), 6);
    ck_assert(line_target_file(&next, at("a")));
    line_target_replace(&t, &next, &b, &c);
    ck_assert_uint_eq(c.at, 6); /* the same file: the line goes on */
    ck_assert_int_eq((int)lseek(t.fd, 0, SEEK_END), 6);
    ck_assert(line_target_file(&next, at("b")));
    line_target_replace(&t, &next, &b, &c);
    ck_assert_uint_eq(c.at, 4);
    expect_file(at("a"), "one\n");
    uint64_t lost = 0;
    ck_assert_int_eq(line_target_write(&t, &b, &c, &lost), LINE_SENT_ALL);
    expect_file(at("b"), "two\n");
    line_target_close(&t);
    line_batch_free(&b);
    ck_assert_uint_eq(line_writer_free(writer, 2000), 0);
}
END_TEST

static bool is_closed(void *arg)
{
    return !line_sink_keep(arg) || (line_sink_close(arg), false);
}

START_TEST(close_and_use_again)
{
    struct line_sink *s = file_sink(at("a"));
    struct line_target t;

    put(s, "one");
    line_sink_close(s);
    until(is_closed, s);
    expect_file(at("a"), "one\n");
    ck_assert(line_target_file(&t, at("b")));
    line_sink_target(s, &t);
    ck_assert(line_sink_keep(s));
    line_sink_grow(s, 4 * RING);
    put(s, "two");
    ck_assert_uint_eq(line_writer_free(writer, 2000), 0);
    expect_file(at("b"), "two\n");
}
END_TEST

START_TEST(too_long)
{
    struct line_sink *s = file_sink(at("a"));
    char *line = malloc(LINE_LONGEST + 1);

    ck_assert_ptr_nonnull(line);
    memset(line, 'x', LINE_LONGEST + 1);
    ck_assert(line_sink_put(s, 6, line, LINE_LONGEST, false));
    ck_assert(!line_sink_put(s, 6, line, LINE_LONGEST + 1, false));
    ck_assert_uint_eq(line_writer_free(writer, 2000), 1);
    char *text = slurp(at("a"));
    ck_assert_uint_eq(strlen(text), LINE_LONGEST + 1 + strlen("lost 1\n"));
    free(text);
    free(line);
}
END_TEST

/* A target that takes nothing at the end: given up, and counted. */
START_TEST(lost_at_the_end)
{
    struct line_target t = line_target_of(LINE_TO_UNIX, at("nobody"));
    struct line_sink *s = sink_on(&t, NULL);

    put(s, "one");
    put(s, "two");
    uint64_t begin = clock_ns();
    ck_assert_uint_eq(line_writer_free(writer, 200), 2);
    ck_assert_uint_lt(clock_ns() - begin, UINT64_C(5000000000));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("line_writer");
    TCase *tc = tcase_create("line_writer");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, several_sinks);
    tcase_add_test(tc, many_threads_and_reopen);
    tcase_add_test(tc, full_pipe);
    tcase_add_test(tc, blocking);
    tcase_add_test(tc, stream_socket);
    tcase_add_test(tc, datagram_socket);
    tcase_add_test(tc, devlog_socket);
    tcase_add_test(tc, deleted_file);
    tcase_add_test(tc, half_a_line);
    tcase_add_test(tc, close_and_use_again);
    tcase_add_test(tc, too_long);
    tcase_add_test(tc, lost_at_the_end);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
