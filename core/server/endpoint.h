/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon serves itself, on the main thread: the control socket and metrics. An endpoint
 * has a bounded number of clients; each gets one request of bounded size, a deadline for it, and a
 * reply that is made piece by piece as the client reads it. A client that does not read is cut off.
 */
#ifndef POSTERN_SERVER_ENDPOINT_H
#define POSTERN_SERVER_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct endpoint;
struct loop;
struct session; /* a client */

/* What an endpoint is for. All run on main; a callback may call session_finish(), never free. */
struct endpoint_ops {
    unsigned most;       /* clients at once                                              */
    size_t request_most; /* bytes of a request; what comes after it is dropped           */
    unsigned reply_s;    /* within which the reply must have been read; 0: no matter     */
    size_t state_size;   /* of session_state(), zeroed                                   */
    const char *busy;    /* what a client gets that is one too many                      */
    /* All bytes so far. True: that was the request, and the reply has been begun. */
    bool (*request)(struct session *s, const char *p, size_t n);
    /* It was too long or too late. Say so and finish. */
    void (*refuse)(struct session *s, bool late);
    /* The client has room for more of what session_more() announced. */
    void (*more)(struct session *s);
    /* The client is gone, or was finished: free what the state holds. */
    void (*gone)(struct session *s);
};

/*
 * Serve on a listening socket, which is taken over, from the loop's next turn on. `arg` is for
 * session_arg(). NULL: out of memory; fd is closed.
 */
struct endpoint *endpoint_new(struct loop *l, int fd, const struct endpoint_ops *ops, void *arg);
/* End all clients without a word; close. NULL is fine. */
void endpoint_free(struct endpoint *e);
/* Its listening socket, and the end of listening; clients that are there stay. */
int endpoint_fd(const struct endpoint *e);
void endpoint_deafen(struct endpoint *e);
/* Call fn for every client; it may finish or cut that one. */
void endpoint_each(struct endpoint *e, void (*fn)(struct session *s, void *arg), void *arg);

void *session_state(struct session *s);
void *session_arg(struct session *s);
int session_fd(const struct session *s);
/* Append to the reply. A client without memory for it is cut. */
void session_write(struct session *s, const void *p, size_t n);
/* Call more() whenever the client has read most of what was written. */
void session_more(struct session *s, bool on);
/* Is there so little left to be read that more may be written? */
bool session_has_room(const struct session *s);
/* Nothing follows: close when all has been read. */
void session_finish(struct session *s);
/* This one is over when it ends its direction: it has nothing else to end it. */
void session_cut_on_eof(struct session *s);
/* Close without waiting. gone() runs from the loop's run queue. */
void session_cut(struct session *s);

#endif
