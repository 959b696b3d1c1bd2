/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/server/upgrade.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/config/conf.h"
#include "core/edge/generation.h"
#include "core/server/control.h"
#include "core/server/metrics_http.h"
#include "core/server/server.h"

/* Longest line of the other process that is passed on, and how many. */
#define LINE_MAX_LEN 1000
#define LINES_MAX    100

struct upgrade {
    struct server *server;
    char *path;
    char **argv;
    pid_t pid; /* 0: none is under way */
    int pipe;
    struct event readable, deadline;
    char line[LINE_MAX_LEN + 1];
    size_t line_n;
    unsigned lines;
};

/*
 * The name we were called by rather than what it led to: a link may lead to another version by
 * now. Without a slash it was searched for, and only the kernel knows what was found.
 */
static char *own_path(const char *argv0)
{
    char *cwd, *path = NULL;

    if (argv0 == NULL || strchr(argv0, '/') == NULL) {
        return realpath("/proc/self/exe", NULL);
    }
    if (argv0[0] == '/') {
        return strdup(argv0);
    }
    cwd = getcwd(NULL, 0);
    if (cwd != NULL && asprintf(&path, "%s/%s", cwd, argv0) < 0) {
        path = NULL;
    }
    free(cwd);
    return path;
}

struct upgrade *upgrade_new(struct server *s, char **argv)
{
    struct upgrade *u = calloc(1, sizeof(*u));

    if (u == NULL) {
        return NULL;
    }
    u->server = s;
    u->argv = argv;
    u->pipe = -1;
    u->path = own_path(argv[0]);
    if (u->path == NULL) {
        free(u);
        return NULL;
    }
    return u;
}

/* --- the other process ends, or may live ------------------------------------------------------ */

static void stop_listening(struct upgrade *u)
{
    (void)event_del(&u->readable);
    (void)evtimer_del(&u->deadline);
    close(u->pipe);
    u->pipe = -1;
    u->pid = 0;
}

static int kill_it(struct upgrade *u)
{
    int status = 0;

    (void)kill(u->pid, SIGKILL);
    while (waitpid(u->pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

static void failed(struct upgrade *u, const char *why)
{
    int status = kill_it(u);
    bool exited = WIFEXITED(status);

    LOG(PST_LOG_ERROR, "upgrade failed; this process serves on", LOGF_Z("reason", why),
        LOGF_Z("program", u->path),
        LOGF_U64_IF("exit_status", (uint64_t)WEXITSTATUS(status), exited),
        LOGF_U64_IF("signal", (uint64_t)WTERMSIG(status), !exited && WTERMSIG(status) != SIGKILL));
    stop_listening(u);
    notify("STATUS=upgrade failed: see the log");
    control_upgrade_over(u->server->control, 0, why);
}

/* The other process serves: from here on it is the service, and owns the files of sockets. */
static void succeeded(struct upgrade *u)
{
    struct server *s = u->server;
    char text[64];

    (void)snprintf(text, sizeof(text), "MAINPID=%ld\nREADY=1", (long)u->pid);
    notify(text);
    notify_no_more();
    LOG(PST_LOG_NOTICE, "upgraded: another process serves, this one drains",
        LOGF_U64("pid", (uint64_t)u->pid), LOGF_Z("program", u->path));
    control_upgrade_over(s->control, (uint64_t)u->pid, NULL);
    stop_listening(u);
    lsock_disown(s->socks);
    control_disown(s->control);
    metrics_http_disown(s->metrics);
    server_drain(s);
}

/* --- what it says ----------------------------------------------------------------------------- */

static void on_line(struct upgrade *u)
{
    u->line[u->line_n] = '\0';
    u->line_n = 0;
    if (u->line[0] != '\0' && u->lines++ < LINES_MAX) {
        LOG(PST_LOG_WARNING, "the new process says", LOGF_Z("text", u->line));
        control_upgrade_says(u->server->control, u->line);
    }
}

/* True: it is ready. */
static bool take(struct upgrade *u, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != '\n') {
            if (u->line_n < LINE_MAX_LEN) {
                u->line[u->line_n++] = p[i];
            }
            continue;
        }
        u->line[u->line_n] = '\0';
        if (strcmp(u->line, UPGRADE_READY) == 0) {
            return true;
        }
        if (strncmp(u->line, UPGRADE_LEFT, strlen(UPGRADE_LEFT)) == 0) {
            lsock_left(u->server->socks, u->line + strlen(UPGRADE_LEFT));
            u->line_n = 0;
            continue;
        }
        on_line(u);
    }
    return false;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct upgrade *u = arg;
    char buf[4096];
    ssize_t n = read(fd, buf, sizeof(buf));

    (void)what;
    if (n > 0) {
        if (take(u, buf, (size_t)n)) {
            succeeded(u);
        }
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        on_line(u);
        failed(u, "it ended before it was ready");
    }
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    failed(arg, "it is not ready in time");
}

/* --- the beginning ---------------------------------------------------------------------------- */

static const char *obstacle(const struct server *s)
{
    if (s->state != SERVER_RUNNING) {
        return "the daemon is starting or about to end";
    }
    if (s->upgrade->pid != 0) {
        return "one is under way";
    }
    /* Whatever comes after the first process of a container ends with it. */
    return getpid() == 1 ? "process 1 cannot be replaced: start another container" : NULL;
}

static pid_t start(struct upgrade *u)
{
    struct server *s = u->server;
    struct handover h = { 0 };
    pid_t pid = -1;

    server_reserve_release(s);
    if (lsock_handover(s->socks, &h) && control_handover(s->control, &h) &&
        metrics_http_handover(s->metrics, &h)) {
        pid = successor_start(u->path, u->argv, &h, &u->pipe);
    }
    free(h.at);
    server_reserve_take(s);
    return pid;
}

const char *server_upgrade(struct server *s)
{
    struct upgrade *u = s->upgrade;
    const char *why = obstacle(s);
    uint64_t ms;
    pid_t pid;

    if (why != NULL) {
        LOG(PST_LOG_WARNING, "upgrade refused", LOGF_Z("reason", why));
        return why;
    }
    lsock_left(s->socks, NULL);
    pid = start(u);
    if (pid < 0) {
        why = strerrordesc_np(errno);
        LOG(PST_LOG_ERROR, "upgrade failed; this process serves on", LOGF_Z("reason", why),
            LOGF_Z("program", u->path));
        return why;
    }
    u->pid = pid;
    u->line_n = 0;
    u->lines = 0;
    ms = s->serving->gen->conf->timeouts.upgrade;
    LOG(PST_LOG_NOTICE, "upgrading", LOGF_U64("pid", (uint64_t)pid), LOGF_Z("program", u->path),
        LOGF_U64("deadline_ms", ms));
    (void)event_assign(&u->readable, loop_base(s->loop), u->pipe, EV_READ | EV_PERSIST, on_readable,
                       u);
    (void)evtimer_assign(&u->deadline, loop_base(s->loop), on_deadline, u);
    (void)event_add(&u->readable, NULL);
    (void)loop_base_timer(&u->deadline, ms);
    return NULL;
}

void upgrade_cancel(struct upgrade *u)
{
    if (u != NULL && u->pid != 0) {
        failed(u, "this process is asked to end");
    }
}

void upgrade_free(struct upgrade *u)
{
    if (u != NULL) {
        upgrade_cancel(u);
        free(u->path);
        free(u);
    }
}
