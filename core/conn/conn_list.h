/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looking at the connections of a worker, from the worker itself, a slice at a time, so that ten
 * thousand of them never hold it up.
 */
#ifndef POSTERN_CONN_CONN_LIST_H
#define POSTERN_CONN_CONN_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/list.h"
#include "plugin-api/postern_module.h"

struct conn_worker;

/* Which connections. Zero-initialised: all. */
struct conn_filter {
    uint64_t id;      /* 0: any                                             */
    const char *edge; /* NULL: any                                          */
    const char *sni;  /* a name, or "*.suffix"; lower case. NULL: any       */
    bool has_client;
    struct pst_net client; /* the effective client address is in it              */
};

/* One connection. All borrowed until the callback returns. */
struct conn_row {
    uint64_t id, generation, age_ms, bytes_in, bytes_out;
    const struct pst_addr *client, *peer;
    const char *listener, *edge, *sni, *state, *upstream; /* NULL: none yet */
    unsigned worker;
};

/*
 * A place in the list. It stays right while connections come and go; those that came after it
 * was set are not shown. Zero-initialise; belongs to one worker from the first slice until the
 * last, or conn_cursor_end().
 */
struct conn_cursor {
    struct list node;
    struct list *at;  /* looked at next                                      */
    uint64_t last_id; /* of the newest connection when it began              */
    bool active;
};

/* Does this connection pass? Pure. */
bool conn_filter_match(const struct conn_filter *f, const struct conn_row *r);

/*
 * Show the matching ones of the next `most` connections to row(), which must not end any. True:
 * there are more. [worker]
 */
bool conn_list_slice(struct conn_worker *w, struct conn_cursor *cur, const struct conn_filter *f,
                     size_t most, void (*row)(void *arg, const struct conn_row *r), void *arg);
/*
 * End the matching ones of the next `most` connections, as killed; *n is raised by their number.
 * They are gone in the next turn of the loop. True: there are more. [worker]
 */
bool conn_kill_slice(struct conn_worker *w, struct conn_cursor *cur, const struct conn_filter *f,
                     size_t most, uint64_t *n);
/* Give a place up. Harmless when it was never set. [worker] */
void conn_cursor_end(struct conn_cursor *cur);

/* The worker that a connection's id names. */
unsigned conn_id_worker(uint64_t id);

#endif
