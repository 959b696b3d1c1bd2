/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside of the control socket: a client and the kinds of replies. All [main]. */
#ifndef POSTERN_SERVER_CONTROL_PRIV_H
#define POSTERN_SERVER_CONTROL_PRIV_H

#include <event2/event_struct.h>

#include "core/base/buf.h"
#include "core/base/json.h"
#include "core/base/list.h"
#include "core/server/control.h"
#include "core/server/control_request.h"
#include "core/server/metrics_page.h"

struct candidate;
struct endpoint;
struct feed;
struct session;
struct walk;

struct control {
    struct server *server;
    struct endpoint *endpoint;
    char *path;        /* of the socket */
    uint64_t dev, ino; /* of its file, so that nobody else's is removed */
    bool own;          /* that file is the daemon's; false: a service manager's */
    bool lent;         /* and a predecessor still serves it */
    gid_t gid;         /* may connect, (gid_t)-1: nobody else */
    struct list walks; /* under way, also of clients that are gone */
    struct feed *feed; /* NULL until somebody follows */
    struct event progress;
    bool closing;
};

/* What a client waits for. */
enum control_wait {
    WAIT_NOT,
    WAIT_NEXT_RELOAD, /* one that has not begun */
    WAIT_RELOAD,      /* the one that is under way */
    WAIT_UPGRADE,
    WAIT_END, /* of the process */
    WAIT_EVENTS
};

/* A client: the state of its session. */
struct client {
    struct control_request req;
    enum control_wait wait;
    struct candidate *pin; /* of control_rows.c: the generation that is shown */
    size_t at;             /* how far */
    struct metrics_page page;
    struct walk *walk;
    uint64_t lost;  /* events not told yet as lost */
    bool following; /* was told that events are complete from here on */
};

/* control.c */
struct control *control_of(struct session *s);
struct client *client_of(struct session *s);
/* Write a finished object to a client. */
void control_send(struct session *s, struct buf *rows);
/* The last line of a reply, and the end. why: NULL when all went well. */
void control_end(struct session *s, const char *why);

/* control_tell.c */
void control_tell_init(struct control *ctl);
/* This client hears of the end of the process, and how far it is. */
void control_wait_end(struct session *s);
/* The end is here: the last word to those who waited for it. */
void control_tell_end(struct control *ctl);

/* control_feed.c: begin or stop to hear from the workers, as there are followers. */
void control_feed_update(struct control *ctl);
void control_feed_free(struct control *ctl);

/* control_rows.c: the request's command decides. */
void control_rows_begin(struct session *s);
void control_rows_more(struct session *s);
void control_rows_end(struct session *s); /* gives the pin back */

/* control_walk.c */
void control_walk_begin(struct session *s);
void control_walk_more(struct session *s);
/* The client is gone: the walk ends by itself. */
void control_walk_leave(struct client *c);
/* The workers are gone: what is under way ends when its message comes back. */
void control_walks_orphan(struct control *ctl);

#endif
