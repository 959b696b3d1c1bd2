/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Splicing rounds of the relay: socket to pipe to socket, without a copy into our memory. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/stream/relay_priv.h"

#define SPLICE_FLAGS (SPLICE_F_MOVE | SPLICE_F_NONBLOCK)

bool splice_fits(const struct relay *r, unsigned d)
{
    const struct relay_dir *x = &r->dir[d];

    return x->bulk && !x->no_splice && x->filters == NULL && r->pipes != NULL &&
           stream_direct_fd(relay_src(r, d), PST_STREAM_READ) >= 0 &&
           stream_direct_fd(relay_dst(r, d), PST_STREAM_WRITE) >= 0;
}

void splice_release(struct relay *r, unsigned d)
{
    struct relay_dir *x = &r->dir[d];

    if (x->pipe == NULL) {
        return;
    }
    pipe_pool_put(r->pipes, x->pipe);
    x->pipe = NULL;
}

static ssize_t splice_once(int from, int to, size_t n)
{
    ssize_t moved;

    do {
        moved = splice(from, NULL, to, NULL, n, SPLICE_FLAGS);
    } while (moved < 0 && errno == EINTR);
    return moved;
}

/*
 * The kernel will not splice, and errno says whether ever: ENOSYS and EBADF never, EINVAL not
 * these bytes (a kTLS socket says so for a record that is not data).
 */
static bool splice_refused(struct relay_dir *x)
{
    if (errno == ENOSYS || errno == EBADF) {
        x->no_splice = true;
    } else if (errno != EINVAL) {
        return false;
    }
    x->bulk = false;
    return true;
}

/* Take the pipe's bytes out again, to be copied. */
static enum relay_step splice_rescue(struct relay *r, unsigned d)
{
    struct relay_dir *x = &r->dir[d];
    size_t cap;
    uint8_t *p = loop_scratch(r->loop, &cap);

    while (p != NULL && x->pipe->fill > 0) {
        ssize_t n = read(x->pipe->rd, p, cap);
        if (n <= 0 || left_add(x, p, (size_t)n) != ERR_OK) {
            break;
        }
        x->pipe->fill -= (size_t)n;
    }
    if (p == NULL || x->pipe->fill > 0) {
        return relay_fail(r, 2, ERR_NOMEM);
    }
    splice_release(r, d);
    return copy_flush(r, d);
}

static int64_t splice_error(int err)
{
    return err == EPIPE || err == ECONNRESET ? PST_ERR_RESET : PST_ERR_IO;
}

enum relay_step splice_flush(struct relay *r, unsigned d)
{
    struct relay_dir *x = &r->dir[d];
    struct stream *dst = relay_dst(r, d);

    if (x->pipe == NULL) {
        return STEP_GO;
    }
    while (x->pipe->fill > 0) {
        int fd = stream_direct_fd(dst, PST_STREAM_WRITE);
        if (fd < 0) {
            return splice_rescue(r, d);
        }
        ssize_t n = splice_once(x->pipe->rd, fd, x->pipe->fill);
        if (n < 0 && errno == EAGAIN) {
            stream_blocked(dst, PST_STREAM_WRITE);
            return relay_wait_dst(x, PST_WANT_WRITE);
        }
        if (n < 0 && splice_refused(x)) {
            return splice_rescue(r, d);
        }
        if (n <= 0) {
            r->end.sys_errno = n < 0 ? errno : 0;
            return relay_fail(r, 1 - d, splice_error(r->end.sys_errno));
        }
        x->pipe->fill -= (size_t)n;
        stream_count(dst, 0, (uint64_t)n);
        pipe_pool_count(r->pipes, (size_t)n);
        relay_moved(r, d, 0);
    }
    return STEP_GO;
}

/*
 * With an empty pipe EAGAIN means that the source is dry, or that urgent data has come which the
 * poller is about to report. A small take means that bulk is over for now: a copy finds out whether
 * there is more, or whether this is the end.
 */
enum relay_step splice_round(struct relay *r, unsigned d)
{
    struct relay_dir *x = &r->dir[d];
    struct stream *src = relay_src(r, d);

    if (x->pipe == NULL && (x->pipe = pipe_pool_get(r->pipes)) == NULL) {
        return copy_round(r, d);
    }
    ssize_t n = splice_once(stream_direct_fd(src, PST_STREAM_READ), x->pipe->wr, x->pipe->size);
    if (n < 0 && errno == EAGAIN) {
        stream_blocked(src, PST_STREAM_READ);
        return relay_wait_src(x, PST_WANT_READ);
    }
    if (n == 0 || (n < 0 && splice_refused(x))) {
        splice_release(r, d);
        return copy_round(r, d);
    }
    if (n < 0) {
        r->end.sys_errno = errno;
        return relay_fail(r, d, splice_error(errno));
    }
    x->pipe->fill = (size_t)n;
    stream_count(src, (uint64_t)n, 0);
    relay_moved(r, d, (size_t)n);
    x->bulk = (size_t)n >= RELAY_BULK;
    return splice_flush(r, d);
}
