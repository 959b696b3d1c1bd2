/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/base/inbox.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/err.h"

int inbox_init(struct inbox *in)
{
    in->head = NULL;
    in->tail = &in->head;
    in->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (in->fd < 0) {
        return ERR_SYS;
    }
    pthread_mutex_init(&in->lock, NULL);
    return ERR_OK;
}

void inbox_free(struct inbox *in)
{
    assert(!in->head);
    close(in->fd);
    pthread_mutex_destroy(&in->lock);
}

void inbox_put(struct inbox *in, struct msg *m)
{
    const uint64_t one = 1;

    m->next = NULL;
    pthread_mutex_lock(&in->lock);
    bool was_empty = !in->head;
    *in->tail = m;
    in->tail = &m->next;
    /* Under the lock, so that a reader that frees the inbox after this message cannot be faster. */
    if (was_empty) {
        while (write(in->fd, &one, sizeof(one)) < 0 && errno == EINTR) {
        }
    }
    pthread_mutex_unlock(&in->lock);
}

struct msg *inbox_take(struct inbox *in)
{
    uint64_t count;

    pthread_mutex_lock(&in->lock);
    struct msg *all = in->head;
    in->head = NULL;
    in->tail = &in->head;
    while (read(in->fd, &count, sizeof(count)) < 0 && errno == EINTR) {
    }
    pthread_mutex_unlock(&in->lock);
    return all;
}
