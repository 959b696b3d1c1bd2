/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where lines go: sockets that come and go, files that are replaced, sinks that are used again. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "t/unit/line_rig.h"

#define WAIT_NS 20000000000u

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
    const char *path = rig_at("socket");
    struct line_target t = line_target_of(LINE_TO_UNIX, path);
    struct line_sink *s = rig_sink_on(&t, rig_tell);

    rig_put(s, "before anybody is there");
    int l = listen_on(path, SOCK_STREAM);
    int c = accept(l, NULL, NULL);
    rig_put(s, "two");
    expect_stream(c, "before anybody is there\ntwo\n");
    close(c);
    /* The first write after the end is lost with the connection, or fails and is kept. */
    rig_put(s, "three");
    c = accept(l, NULL, NULL);
    rig_put(s, "four");
    char text[64] = "";
    ck_assert_int_gt((int)read(c, text, sizeof(text) - 1), 0);
    ck_assert(strncmp(text, "three\n", 6) == 0 || strncmp(text, "four\n", 5) == 0);
    ck_assert_uint_eq(line_writer_free(rig_writer, 2000), 0);
    close(c);
    close(l);
}
END_TEST

START_TEST(datagram_socket)
{
    const char *path = rig_at("socket");
    int l = listen_on(path, SOCK_DGRAM);
    struct line_target t = line_target_of(LINE_TO_UNIX, path);
    struct line_sink *s = rig_sink_on(&t, rig_tell);
    char text[256];

    rig_put(s, "one");
    rig_put(s, "two");
    ck_assert_int_eq((int)recv(l, text, sizeof(text), 0), 3);
    ck_assert_int_eq(memcmp(text, "one", 3), 0);
    ck_assert_int_eq((int)recv(l, text, sizeof(text), 0), 3);
    ck_assert_int_eq(memcmp(text, "two", 3), 0);
    ck_assert_uint_eq(line_writer_free(rig_writer, 2000), 0);
    close(l);
}
END_TEST

/* RFC 5424: <PRI>1 TIMESTAMP HOST APP PROCID MSGID SD MSG */
START_TEST(devlog_socket)
{
    const char *path = rig_at("log");
    int l = listen_on(path, SOCK_DGRAM), pri = 0, pid = 0, used = 0;
    struct line_target t = line_target_of(LINE_TO_DEVLOG, path);
    struct line_sink *s = rig_sink_on(&t, rig_tell);
    char text[512] = "", day[64], host[256];

    rig_put(s, "{\"a\":1}");
    ck_assert_int_gt((int)recv(l, text, sizeof(text) - 1, 0), 0);
    ck_assert_msg(
        sscanf(text, "<%d>1 %63s %255s postern %d - - %n", &pri, day, host, &pid, &used) == 4, "%s",
        text);
    ck_assert_int_eq(pri, 3 * 8 + 6);
    ck_assert_int_eq(pid, (int)getpid());
    ck_assert_uint_eq(strlen(day), 27);
    ck_assert_str_eq(text + used, "{\"a\":1}");
    ck_assert_uint_eq(line_writer_free(rig_writer, 2000), 0);
    close(l);
}
END_TEST

/* --- files ------------------------------------------------------------------------------------ */

START_TEST(deleted_file)
{
    struct line_sink *s = rig_file_sink(rig_at("a"));
    char path[128];

    snprintf(path, sizeof(path), "%s", rig_at("a"));
    rig_put(s, "one");
    until(has_size, path);
    ck_assert_int_eq(unlink(path), 0);
    rig_put(s, "two");
    until(has_size, path);
    ck_assert_uint_eq(line_writer_free(rig_writer, 2000), 0);
    rig_expect_file(path, "two\n");
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
    ck_assert(line_target_file(&t, rig_at("a")));
    ck_assert_int_eq((int)write(t.fd, "one\ntw", 6), 6);
    ck_assert(line_target_file(&next, rig_at("a")));
    line_target_replace(&t, &next, &b, &c);
    ck_assert_uint_eq(c.at, 6); /* the same file: the line goes on */
    ck_assert_int_eq((int)lseek(t.fd, 0, SEEK_END), 6);
    ck_assert(line_target_file(&next, rig_at("b")));
    line_target_replace(&t, &next, &b, &c);
    ck_assert_uint_eq(c.at, 4);
    rig_expect_file(rig_at("a"), "one\n");
    uint64_t lost = 0;
    ck_assert_int_eq(line_target_write(&t, &b, &c, &lost), LINE_SENT_ALL);
    rig_expect_file(rig_at("b"), "two\n");
    line_target_close(&t);
    line_batch_free(&b);
    ck_assert_uint_eq(line_writer_free(rig_writer, 2000), 0);
}
END_TEST

static bool is_closed(void *arg)
{
    return !line_sink_keep(arg) || (line_sink_close(arg), false);
}

START_TEST(close_and_use_again)
{
    struct line_sink *s = rig_file_sink(rig_at("a"));
    struct line_target t;

    rig_put(s, "one");
    line_sink_close(s);
    until(is_closed, s);
    rig_expect_file(rig_at("a"), "one\n");
    ck_assert(line_target_file(&t, rig_at("b")));
    line_sink_target(s, &t);
    ck_assert(line_sink_keep(s));
    line_sink_grow(s, 4 * RIG_RING);
    rig_put(s, "two");
    ck_assert_uint_eq(line_writer_free(rig_writer, 2000), 0);
    rig_expect_file(rig_at("b"), "two\n");
}
END_TEST

static void add(TCase *tc)
{
    tcase_add_test(tc, stream_socket);
    tcase_add_test(tc, datagram_socket);
    tcase_add_test(tc, devlog_socket);
    tcase_add_test(tc, deleted_file);
    tcase_add_test(tc, half_a_line);
    tcase_add_test(tc, close_and_use_again);
}

int main(void)
{
    return rig_main("line_target", add);
}
