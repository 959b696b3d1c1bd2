/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What clients of the control socket hear of that take their time: reloads, and the end. */
#include <event2/event.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/loop.h"
#include "core/config/conf_error.h"
#include "core/server/control_priv.h"
#include "core/server/endpoint.h"
#include "core/server/server.h"

/* How often those who wait for the end hear how many connections are left. */
#define PROGRESS_MS 500

/* --- reload ----------------------------------------------------------------------------------- */

static void begins(struct session *s, void *arg)
{
    (void)arg;
    if (client_of(s)->wait == WAIT_NEXT_RELOAD) {
        client_of(s)->wait = WAIT_RELOAD;
    }
}

void control_reload_begins(struct control *ctl)
{
    if (ctl != NULL) {
        endpoint_each(ctl->endpoint, begins, NULL);
    }
}

struct problem {
    enum control_wait wait; /* who hears of it */
    bool warning;
    const char *text;
};

static void show_problem(struct session *s, void *arg)
{
    const struct problem *p = arg;
    struct buf b;
    struct json j;

    if (client_of(s)->wait != p->wait) {
        return;
    }
    buf_init(&b, 64 * 1024);
    json_begin(&j, &b);
    json_str(&j, "problem", p->warning ? "warning" : "error");
    json_str(&j, "text", p->text);
    (void)json_end(&j);
    control_send(s, &b);
}

static void each_problem(void *arg, bool warning, const char *text)
{
    struct control *ctl = arg;
    struct problem p = { WAIT_RELOAD, warning, text };

    endpoint_each(ctl->endpoint, show_problem, &p);
}

void control_reload_problems(struct control *ctl, const struct conf_errors *errors)
{
    if (ctl != NULL) {
        conf_errors_each(errors, each_problem, ctl);
    }
}

struct outcome {
    uint64_t generation;
    const char *why;
};

static void over(struct session *s, void *arg)
{
    const struct outcome *o = arg;
    struct buf b;
    struct json j;

    if (client_of(s)->wait != WAIT_RELOAD) {
        return;
    }
    buf_init(&b, 256);
    json_begin(&j, &b);
    json_u64(&j, "generation", o->generation);
    (void)json_end(&j);
    control_send(s, &b);
    control_end(s, o->why);
}

void control_reload_over(struct control *ctl, uint64_t generation, const char *why)
{
    struct outcome o = { generation, why };

    if (ctl != NULL) {
        endpoint_each(ctl->endpoint, over, &o);
    }
}

/* --- upgrade ---------------------------------------------------------------------------------- */

void control_upgrade_says(struct control *ctl, const char *text)
{
    struct problem p = { WAIT_UPGRADE, true, text };

    if (ctl != NULL) {
        endpoint_each(ctl->endpoint, show_problem, &p);
    }
}

struct upgraded {
    uint64_t pid;
    const char *why;
};

static void upgraded(struct session *s, void *arg)
{
    const struct upgraded *u = arg;
    struct buf b;
    struct json j;

    if (client_of(s)->wait != WAIT_UPGRADE) {
        return;
    }
    if (u->why == NULL) {
        buf_init(&b, 256);
        json_begin(&j, &b);
        json_u64(&j, "pid", u->pid);
        (void)json_end(&j);
        control_send(s, &b);
    }
    control_end(s, u->why);
}

void control_upgrade_over(struct control *ctl, uint64_t pid, const char *why)
{
    struct upgraded u = { pid, why };

    if (ctl != NULL) {
        endpoint_each(ctl->endpoint, upgraded, &u);
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

static void drains(struct session *s, void *arg)
{
    struct client *c = client_of(s);

    (void)arg;
    if (c->wait == WAIT_NEXT_RELOAD || c->wait == WAIT_RELOAD) {
        control_end(s, "the daemon is about to end");
    } else if (c->pin != NULL || c->page.pin != NULL) {
        session_cut(s);
    }
}

void control_drains(struct control *ctl)
{
    if (ctl != NULL) {
        endpoint_each(ctl->endpoint, drains, NULL);
    }
}

static void progress(struct session *s, void *arg)
{
    struct buf b;
    struct json j;

    if (client_of(s)->wait != WAIT_END) {
        return;
    }
    *(unsigned *)arg += 1;
    buf_init(&b, 256);
    json_begin(&j, &b);
    json_u64(&j, "connections", atomic_load(&control_of(s)->server->shared.conns));
    (void)json_end(&j);
    control_send(s, &b);
}

static void on_progress(evutil_socket_t fd, short what, void *arg)
{
    struct control *ctl = arg;
    unsigned n = 0;

    (void)fd;
    (void)what;
    endpoint_each(ctl->endpoint, progress, &n);
    if (n > 0) {
        (void)loop_base_timer(&ctl->progress, PROGRESS_MS);
    }
}

void control_tell_init(struct control *ctl)
{
    (void)evtimer_assign(&ctl->progress, loop_base(ctl->server->loop), on_progress, ctl);
}

void control_wait_end(struct session *s)
{
    client_of(s)->wait = WAIT_END;
    (void)loop_base_timer(&control_of(s)->progress, 0);
}

static void tell_end(struct session *s, void *arg)
{
    static const char done[] = "{\"end\":true,\"ok\":true}\n";

    (void)arg;
    if (client_of(s)->wait == WAIT_END) {
        (void)send(session_fd(s), done, sizeof(done) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

void control_tell_end(struct control *ctl)
{
    (void)evtimer_del(&ctl->progress);
    endpoint_each(ctl->endpoint, tell_end, NULL);
}
