/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/addr.h"
#include "core/base/clock.h"
#include "core/base/loop.h"
#include "core/stream/stream.h"
#include "core/upstream/dial.h"

#define MS UINT64_C(1000000)

/* What came back, and with what to go on. */
struct result {
    const char *says; /* written twice once connected */
    unsigned times;
    int fd, err;
    const struct pst_addr *next; /* dial this one from inside done */
};

static struct loop *loop;
static const struct dial_opts opts = { .timeout_ms = 10000 };

static void setup(void)
{
    loop = loop_new();
    ck_assert_ptr_nonnull(loop);
}

static void teardown(void)
{
    loop_free(loop);
}

static void on_done(void *arg, struct stream *s, int err);

/* Dial; what is answered at once is told like the rest. */
static struct dial *start(const struct pst_addr *addr, const char *path, const struct dial_opts *o,
                          struct result *r)
{
    struct stream *at_once = NULL;
    struct dial *d = dial_start(loop, addr, path, o, &at_once, on_done, r);

    ck_assert_int_eq(d != NULL, at_once == NULL);
    if (at_once != NULL) {
        on_done(r, at_once, 0);
    }
    return d;
}

/* The descriptor outlives its stream, for the test to look at. */
static void on_done(void *arg, struct stream *s, int err)
{
    struct result *r = arg;

    r->times++;
    r->fd = s == NULL ? -1 : fcntl(stream_fd(s), F_DUPFD_CLOEXEC, 0);
    if (s != NULL && r->says != NULL) {
        const struct pst_iov v = { (uint8_t *)(uintptr_t)r->says, strlen(r->says) };

        ck_assert_int_eq(stream_write(s, &v, 1), (int64_t)v.n);
        ck_assert_int_eq(stream_write(s, &v, 1), (int64_t)v.n);
    }
    r->err = err;
    stream_free(s, PST_CLOSE_GRACEFUL);
    if (r->next) {
        const struct pst_addr *next = r->next;

        r->next = NULL;
        start(next, NULL, &opts, r);
    }
}

static bool late;

static void on_deadline(struct loop_timer *t)
{
    (void)t;
    late = true;
}

/* Turn the loop until done ran so many times. */
static void wait_done(const struct result *r, unsigned times)
{
    struct loop_timer timer = { .fn = on_deadline };

    late = false;
    loop_timer_set(loop, &timer, 10000);
    while (r->times < times && !late) {
        loop_step(loop, true);
    }
    loop_timer_stop(loop, &timer);
    ck_assert_uint_eq(r->times, times);
}

static size_t count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    size_t n = 0;

    ck_assert_ptr_nonnull(d);
    while (readdir(d)) {
        n++;
    }
    closedir(d);
    return n;
}

/* A socket bound to loopback; addr gets where. Listens unless backlog is negative. */
static int tcp_listen(struct pst_addr *addr, int backlog)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(sin);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, n), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &n), 0);
    if (backlog >= 0) {
        ck_assert_int_eq(listen(fd, backlog), 0);
    }
    addr_from_sockaddr(addr, (struct sockaddr *)&sin, n);
    return fd;
}

static int unix_listen(const char *path, int backlog)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    ck_assert_int_eq(listen(fd, backlog), 0);
    return fd;
}

/* A path that is free, in a directory of its own. */
static void unix_path(char path[64])
{
    char dir[] = "/tmp/check_dial.XXXXXX";

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, 64, "%s/s", dir);
}

static void unix_remove(char path[64])
{
    unlink(path);
    *strrchr(path, '/') = '\0';
    rmdir(path);
}

static int get_int(int fd, int level, int name)
{
    int value = -1;
    socklen_t n = sizeof(value);

    ck_assert_int_eq(getsockopt(fd, level, name, &value, &n), 0);
    return value;
}

START_TEST(connects)
{
    struct result r = { .says = "hello" };
    struct pst_addr addr;
    int listener = tcp_listen(&addr, 8);

    start(&addr, NULL, &opts, &r);
    wait_done(&r, 1);
    ck_assert_int_eq(r.err, 0);
    ck_assert_int_ge(r.fd, 0);
    ck_assert_int_ne(fcntl(r.fd, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_ne(fcntl(r.fd, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_ne(get_int(r.fd, IPPROTO_TCP, TCP_NODELAY), 0);
    ck_assert_int_eq(get_int(r.fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    ck_assert_int_eq(send(r.fd, "x", 1, 0), 1);
    close(r.fd);
    close(listener);
}
END_TEST

START_TEST(sets_options)
{
    const struct dial_opts o = { .timeout_ms = 1000,
                                 .keepalive_ms = 61500,
                                 .user_timeout_ms = 4321 };
    struct result r = { 0 };
    struct pst_addr addr;
    int listener = tcp_listen(&addr, 8);

    start(&addr, NULL, &o, &r);
    wait_done(&r, 1);
    ck_assert_int_eq(r.err, 0);
    ck_assert_int_ne(get_int(r.fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    ck_assert_int_eq(get_int(r.fd, IPPROTO_TCP, TCP_KEEPIDLE), 62);
    ck_assert_int_eq(get_int(r.fd, IPPROTO_TCP, TCP_KEEPINTVL), 62);
    ck_assert_int_eq(get_int(r.fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 4321);
    close(r.fd);
    close(listener);
}
END_TEST

START_TEST(is_refused)
{
    struct result r = { 0 };
    struct pst_addr addr;
    int fd = tcp_listen(&addr, -1); /* keeps the port, does not listen */
    size_t fds = count_fds();

    start(&addr, NULL, &opts, &r);
    ck_assert_uint_eq(r.times, 0);
    wait_done(&r, 1);
    ck_assert_int_eq(r.fd, -1);
    ck_assert_int_eq(r.err, ECONNREFUSED);
    ck_assert_uint_eq(count_fds(), fds);
    close(fd);
}
END_TEST

START_TEST(goes_on_from_done)
{
    struct result r = { 0 };
    struct pst_addr good, bad;
    int listener = tcp_listen(&good, 8), fd = tcp_listen(&bad, -1);

    r.next = &good;
    start(&bad, NULL, &opts, &r);
    wait_done(&r, 2);
    ck_assert_int_eq(r.err, 0);
    close(r.fd);
    close(listener);
    close(fd);
}
END_TEST

/* Fill a listener's backlog until a connect gets no answer; the fds are for closing. */
static size_t fill_backlog(const struct pst_addr *addr, int fds[64])
{
    struct sockaddr_storage ss;
    socklen_t n = addr_to_sockaddr(addr, &ss);

    for (size_t i = 0; i < 64; i++) {
        struct pollfd p = { .events = POLLOUT };

        fds[i] = p.fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (connect(fds[i], (struct sockaddr *)&ss, n) < 0 && poll(&p, 1, 200) == 0) {
            return i + 1;
        }
    }
    return 0;
}

START_TEST(times_out)
{
    const struct dial_opts o = { .timeout_ms = 100 };
    struct result r = { 0 };
    struct pst_addr addr;
    int listener = tcp_listen(&addr, 0), fds[64];
    size_t filled = fill_backlog(&addr, fds), open_fds = count_fds();
    uint64_t begun = clock_ns();

    ck_assert_uint_gt(filled, 0);
    start(&addr, NULL, &o, &r);
    wait_done(&r, 1);
    ck_assert_int_eq(r.fd, -1);
    ck_assert_int_eq(r.err, ETIMEDOUT);
    ck_assert_uint_ge(clock_ns() - begun, 95 * MS);
    ck_assert_uint_lt(clock_ns() - begun, 5000 * MS);
    ck_assert_uint_eq(count_fds(), open_fds);
    while (filled > 0) {
        close(fds[--filled]);
    }
    close(listener);
}
END_TEST

START_TEST(cancels_while_waiting)
{
    struct result r = { 0 };
    struct pst_addr addr;
    int listener = tcp_listen(&addr, 0), fds[64];
    size_t filled = fill_backlog(&addr, fds), open_fds = count_fds();
    struct dial *d;

    ck_assert_uint_gt(filled, 0);
    d = start(&addr, NULL, &opts, &r);
    loop_step(loop, false);
    ck_assert_uint_eq(r.times, 0);
    dial_cancel(d);
    ck_assert_uint_eq(count_fds(), open_fds);
    loop_step(loop, false);
    ck_assert_uint_eq(r.times, 0);
    while (filled > 0) {
        close(fds[--filled]);
    }
    close(listener);
}
END_TEST

START_TEST(cancels_before_the_answer_is_told)
{
    const struct pst_addr un = { .family = PST_AF_UNIX };
    struct result r = { 0 };
    struct pst_addr bad;
    int fd = tcp_listen(&bad, -1);
    size_t fds = count_fds();

    dial_cancel(start(&bad, NULL, &opts, &r));
    dial_cancel(start(&un, "/nonexistent/s", &opts, &r));
    dial_cancel(NULL);
    for (int i = 0; i < 4; i++) {
        loop_step(loop, false);
    }
    ck_assert_uint_eq(r.times, 0);
    ck_assert_uint_eq(count_fds(), fds);
    close(fd);
}
END_TEST

START_TEST(connects_to_unix_sockets)
{
    const struct pst_addr un = { .family = PST_AF_UNIX };
    struct result r = { 0 };
    char path[64];
    int listener;

    unix_path(path);
    listener = unix_listen(path, 8);
    start(&un, path, &opts, &r);
    wait_done(&r, 1);
    ck_assert_int_eq(r.err, 0);
    ck_assert_int_ne(fcntl(r.fd, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_eq(send(r.fd, "x", 1, 0), 1);
    close(r.fd);
    close(listener);
    unix_remove(path);
}
END_TEST

START_TEST(full_unix_sockets_fail)
{
    const struct pst_addr un = { .family = PST_AF_UNIX };
    struct result r = { 0 };
    int fds[8], n = 0, listener;
    char path[64];

    unix_path(path);
    listener = unix_listen(path, 0);
    while (r.err == 0 && n < 8) {
        start(&un, path, &opts, &r);
        wait_done(&r, (unsigned)n + 1);
        fds[n++] = r.fd;
    }
    ck_assert_int_eq(r.err, EAGAIN);
    ck_assert_int_eq(r.fd, -1);
    while (n > 1) {
        close(fds[--n - 1]);
    }
    close(listener);
    unix_remove(path);
}
END_TEST

START_TEST(impossible_addresses_fail)
{
    struct pst_addr addr = { .family = PST_AF_UNIX };
    struct result r = { 0 };
    char path[200];

    memset(path, 'x', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    start(&addr, path, &opts, &r);
    wait_done(&r, 1);
    ck_assert_int_eq(r.err, ENAMETOOLONG);
    start(&addr, "/nonexistent/s", &opts, &r);
    wait_done(&r, 2);
    ck_assert_int_eq(r.err, ENOENT);
    addr.family = PST_AF_NONE;
    start(&addr, NULL, &opts, &r);
    wait_done(&r, 3);
    ck_assert_int_eq(r.err, EAFNOSUPPORT);
    ck_assert_int_eq(r.fd, -1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dial");
    TCase *tc = tcase_create("dial");
    SRunner *sr;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, connects);
    tcase_add_test(tc, sets_options);
    tcase_add_test(tc, is_refused);
    tcase_add_test(tc, goes_on_from_done);
    tcase_add_test(tc, times_out);
    tcase_add_test(tc, cancels_while_waiting);
    tcase_add_test(tc, cancels_before_the_answer_is_told);
    tcase_add_test(tc, connects_to_unix_sockets);
    tcase_add_test(tc, full_unix_sockets_fail);
    tcase_add_test(tc, impossible_addresses_fail);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
