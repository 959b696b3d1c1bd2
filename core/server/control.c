/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/server/control.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/config/conf.h"
#include "core/config/conf_error.h"
#include "core/server/control_priv.h"
#include "core/server/endpoint.h"
#include "core/server/server.h"
#include "core/server/unix_socket.h"
#include "core/server/upgrade.h"

/* Clients at once, followers of events among them. */
#define CLIENTS_MAX   16
#define FOLLOWERS_MAX 4
#define BACKLOG       16
/* Groups of a client that are looked at. */
#define GROUPS_MAX 256

#define DEFAULT_DIR    POSTERN_RUNSTATEDIR "/postern"
#define DEFAULT_SOCKET DEFAULT_DIR "/control.sock"

struct control *control_of(struct session *s)
{
    return session_arg(s);
}

struct client *client_of(struct session *s)
{
    return session_state(s);
}

/* --- replies ---------------------------------------------------------------------------------- */

void control_send(struct session *s, struct buf *rows)
{
    session_write(s, rows->p, rows->len);
    buf_free(rows);
}

void control_end(struct session *s, const char *why)
{
    struct buf b;
    struct json j;

    buf_init(&b, 8192);
    json_begin(&j, &b);
    json_bool(&j, "end", true);
    json_bool(&j, "ok", why == NULL);
    json_str(&j, "error", why);
    (void)json_end(&j);
    control_send(s, &b);
    client_of(s)->wait = WAIT_NOT;
    session_finish(s);
}

/* --- who may ---------------------------------------------------------------------------------- */

static bool in_group(int fd, gid_t gid)
{
    gid_t groups[GROUPS_MAX];
    socklen_t n = sizeof(groups);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &n) != 0) {
        return false;
    }
    for (size_t i = 0; i < n / sizeof(groups[0]); i++) {
        if (groups[i] == gid) {
            return true;
        }
    }
    return false;
}

/*
 * Root, the daemon's own user, or a member of the configured group: whatever the file's mode says.
 */
static bool may_control(const struct control *ctl, int fd, struct ucred *who)
{
    socklen_t n = sizeof(*who);

    *who = (struct ucred){ .uid = (uid_t)-1, .gid = (gid_t)-1 };
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, who, &n) != 0) {
        return false;
    }
    return who->uid == 0 || who->uid == geteuid() ||
           (ctl->gid != (gid_t)-1 && (who->gid == ctl->gid || in_group(fd, ctl->gid)));
}

/* --- commands --------------------------------------------------------------------------------- */

static void count_follower(struct session *s, void *arg)
{
    *(unsigned *)arg += client_of(s)->wait == WAIT_EVENTS;
}

static void reload(struct session *s)
{
    struct server *srv = control_of(s)->server;

    if (srv->state > SERVER_RUNNING) {
        control_end(s, "the daemon is about to end");
        return;
    }
    client_of(s)->wait = WAIT_NEXT_RELOAD;
    server_reload(srv);
}

static void upgrade(struct session *s)
{
    const char *why = server_upgrade(control_of(s)->server);

    if (why != NULL) {
        control_end(s, why);
    } else {
        client_of(s)->wait = WAIT_UPGRADE;
    }
}

static void end_of_process(struct session *s, bool at_once)
{
    struct server *srv = control_of(s)->server;

    control_wait_end(s);
    if (srv->state <= SERVER_RUNNING) {
        server_drain(srv);
    }
    if (at_once) {
        server_drain(srv); /* the second call cuts */
    }
}

static void reopen(struct session *s)
{
    bool all = server_reopen(control_of(s)->server) == ERR_OK;

    control_end(s, all ? NULL : "not every file could be opened again; the log says which and why");
}

static void level(struct session *s)
{
    const struct control_request *r = &client_of(s)->req;
    struct buf b;
    struct json j;

    if (r->level >= 0) {
        log_set_level(r->level);
    }
    buf_init(&b, 256);
    json_begin(&j, &b);
    json_str(&j, "level", log_level_name(log_level()));
    (void)json_end(&j);
    control_send(s, &b);
    control_end(s, NULL);
}

static void follow(struct session *s)
{
    unsigned followers = 0;

    endpoint_each(control_of(s)->endpoint, count_follower, &followers);
    if (followers >= FOLLOWERS_MAX) {
        control_end(s, "too many follow already");
        return;
    }
    client_of(s)->wait = WAIT_EVENTS;
    session_cut_on_eof(s);
    control_feed_update(control_of(s));
}

static void run(struct session *s)
{
    switch (client_of(s)->req.command) {
    case CONTROL_RELOAD:
        reload(s);
        break;
    case CONTROL_REOPEN:
        reopen(s);
        break;
    case CONTROL_UPGRADE:
        upgrade(s);
        break;
    case CONTROL_DRAIN:
    case CONTROL_STOP:
        end_of_process(s, client_of(s)->req.command == CONTROL_STOP);
        break;
    case CONTROL_LOG_LEVEL:
        level(s);
        break;
    case CONTROL_CONNECTIONS:
    case CONTROL_KILL:
        control_walk_begin(s);
        break;
    case CONTROL_EVENTS:
        follow(s);
        break;
    default:
        control_rows_begin(s);
        break;
    }
}

/* Those that change something, or stop it, are told in the log with who asked. */
static bool is_noted(enum control_command c)
{
    return c == CONTROL_RELOAD || c == CONTROL_UPGRADE || c == CONTROL_DRAIN || c == CONTROL_STOP ||
           c == CONTROL_KILL;
}

/* --- the socket ------------------------------------------------------------------------------- */

static bool on_request(struct session *s, const char *p, size_t n)
{
    const char *eol = memchr(p, '\n', n);
    struct client *c = client_of(s);
    struct ucred who;
    char why[256];

    if (eol == NULL) {
        return false;
    }
    if (!may_control(control_of(s), session_fd(s), &who)) {
        LOG(PST_LOG_WARNING, "control refused", LOGF_U64("uid", who.uid),
            LOGF_U64("pid", (uint64_t)who.pid));
        control_end(s, "you may not control this daemon");
        return true;
    }
    if (control_request_parse(p, (size_t)(eol - p), &c->req, why, sizeof(why)) != ERR_OK) {
        control_end(s, why);
        return true;
    }
    if (is_noted(c->req.command) || (c->req.command == CONTROL_LOG_LEVEL && c->req.level >= 0)) {
        LOG(PST_LOG_NOTICE, "control",
            LOGF_STR("request", ((struct pst_str){ p, (size_t)(eol - p) })),
            LOGF_U64("uid", who.uid), LOGF_U64("pid", (uint64_t)who.pid));
    }
    run(s);
    return true;
}

static void on_refuse(struct session *s, bool late)
{
    control_end(s, late ? "no request came" : "the request is too long");
}

static void on_more(struct session *s)
{
    if (client_of(s)->walk != NULL) {
        control_walk_more(s);
    } else {
        control_rows_more(s);
    }
}

static void on_gone(struct session *s)
{
    struct client *c = client_of(s);

    c->wait = WAIT_NOT;
    control_walk_leave(c);
    control_rows_end(s);
    control_feed_update(control_of(s));
}

static const struct endpoint_ops ops = {
    .most = CLIENTS_MAX,
    .request_most = CONTROL_REQUEST_MAX,
    .state_size = sizeof(struct client),
    .busy = "{\"end\":true,\"ok\":false,\"error\":\"too many clients\"}\n",
    .request = on_request,
    .refuse = on_refuse,
    .more = on_more,
    .gone = on_gone,
};

/* The group that may connect. False: there is none of that name. */
static bool find_group(const char *name, gid_t *gid)
{
    const struct group *g = name == NULL ? NULL : getgrnam(name);

    *gid = g == NULL ? (gid_t)-1 : g->gr_gid;
    return name == NULL || g != NULL;
}

/* Who will own the socket: the user that the daemon is about to become. */
static uid_t owner(const struct conf *conf)
{
    const struct passwd *pw = conf->user == NULL || geteuid() != 0 ? NULL : getpwnam(conf->user);

    return pw == NULL ? (uid_t)-1 : pw->pw_uid;
}

/* *lent: it was open before; *own: its file is the daemon's. */
static int open_socket(struct server *s, const struct conf *conf, const char *path, gid_t gid,
                       bool *own, bool *lent)
{
    const struct conf_addr a = { .kind = CONF_ADDR_UNIX, .path = path };
    int fd = inherited_take(&s->inherited, &a, own);

    *lent = fd >= 0;
    if (fd >= 0) {
        return fd;
    }
    *own = true;
    return unix_clear_stale(path) == ERR_OK
               ? unix_listen(path, conf->control.mode, owner(conf), gid, BACKLOG)
               : -1;
}

static struct control *control_new(struct server *s, int fd, const char *path, gid_t gid)
{
    struct control *ctl = calloc(1, sizeof(*ctl));
    struct stat st;

    if (ctl == NULL) {
        close(fd);
        return NULL;
    }
    ctl->server = s;
    ctl->gid = gid;
    list_init(&ctl->walks);
    control_tell_init(ctl);
    ctl->path = strdup(path);
    if (lstat(path, &st) == 0) {
        ctl->dev = st.st_dev;
        ctl->ino = st.st_ino;
    }
    ctl->endpoint = endpoint_new(s->loop, fd, &ops, ctl);
    if (ctl->path == NULL || ctl->endpoint == NULL) {
        endpoint_free(ctl->endpoint);
        free(ctl->path);
        free(ctl);
        return NULL;
    }
    return ctl;
}

const char *control_path(const struct conf *conf)
{
    const struct conf_control *c = &conf->control;

    return !c->enabled ? NULL : c->socket != NULL ? c->socket : DEFAULT_SOCKET;
}

/*
 * Nobody asked for the default one: it is there when its folder is, or when it was before an
 * upgrade, by a user who may not write there.
 */
static bool is_wanted(const struct server *s, const struct conf_control *c)
{
    const struct conf_addr a = { .kind = CONF_ADDR_UNIX, .path = DEFAULT_SOCKET };

    return c->enabled && (c->socket != NULL || inherited_count(&s->inherited, &a) > 0 ||
                          access(DEFAULT_DIR, W_OK) == 0);
}

bool control_open(struct server *s, const struct conf *conf, struct conf_errors *errors,
                  struct control **out)
{
    const struct conf_control *c = &conf->control;
    const char *path = control_path(conf);
    bool own = false, lent = false;
    gid_t gid;
    int fd;

    if (!is_wanted(s, c)) {
        return true;
    }
    if (!find_group(c->group, &gid)) {
        conf_error_add(errors, conf->path, 0, "control.group", "no such group: %s", c->group);
        return false;
    }
    fd = open_socket(s, conf, path, gid, &own, &lent);
    if (fd < 0 && c->socket == NULL) {
        LOG(PST_LOG_WARNING, "no control socket", LOGF_Z("socket", path),
            LOGF_Z("error", strerror(errno)));
        return true;
    }
    if (fd < 0) {
        conf_error_add(errors, conf->path, 0, "control.socket", "cannot listen on %s: %s", path,
                       strerror(errno));
        return false;
    }
    *out = control_new(s, fd, path, gid);
    if (*out == NULL) {
        conf_error_add(errors, conf->path, 0, "control", "out of memory");
        return false;
    }
    (*out)->own = own;
    (*out)->lent = lent;
    return true;
}

bool control_handover(const struct control *ctl, struct handover *h)
{
    return ctl == NULL || handover_add(h, endpoint_fd(ctl->endpoint), ctl->own);
}

void control_own(struct control *ctl)
{
    if (ctl != NULL) {
        ctl->lent = false;
    }
}

void control_disown(struct control *ctl)
{
    if (ctl != NULL) {
        endpoint_deafen(ctl->endpoint);
        ctl->own = false;
    }
}

void control_close(struct control *ctl)
{
    struct stat st;

    if (ctl == NULL) {
        return;
    }
    control_tell_end(ctl);
    control_feed_free(ctl);
    ctl->closing = true;
    endpoint_free(ctl->endpoint);
    control_walks_orphan(ctl);
    if (ctl->own && !ctl->lent && lstat(ctl->path, &st) == 0 && st.st_dev == ctl->dev &&
        st.st_ino == ctl->ino) {
        (void)unlink(ctl->path);
    }
    free(ctl->path);
    free(ctl);
}
