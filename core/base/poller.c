/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/base/poller.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/base/err.h"

/* Reports taken at once. */
#define BATCH     128
#define SLOTS_MIN 64u

int poller_init(struct poller *p)
{
    *p = (struct poller){ .fd = epoll_create1(EPOLL_CLOEXEC) };
    return p->fd < 0 ? ERR_SYS : ERR_OK;
}

void poller_free(struct poller *p)
{
    close(p->fd);
    free(p->slots);
}

static int slot_take(struct poller *p, struct loop_fd *f)
{
    uint32_t at = p->free;

    if (at == 0) {
        if (p->n == p->cap) {
            uint32_t cap = p->cap == 0 ? SLOTS_MIN : p->cap * 2;
            struct poller_slot *slots = realloc(p->slots, cap * sizeof(*slots));

            if (slots == NULL) {
                return ERR_NOMEM;
            }
            p->slots = slots;
            p->cap = cap;
        }
        p->slots[p->n].generation = 0;
        at = ++p->n;
    } else {
        p->free = p->slots[at - 1].next;
    }
    p->slots[at - 1].f = f;
    f->slot = at;
    return ERR_OK;
}

static int control(const struct poller *p, int op, const struct loop_fd *f, uint32_t events)
{
    const uint64_t generation = p->slots[f->slot - 1].generation;
    struct epoll_event ev = { .events = events, .data.u64 = generation << 32 | (f->slot - 1) };

    return epoll_ctl(p->fd, op, f->fd, &ev) == 0 ? ERR_OK : ERR_SYS;
}

int poller_add(struct poller *p, struct loop_fd *f, uint32_t events)
{
    if (slot_take(p, f) != ERR_OK) {
        return ERR_NOMEM;
    }
    if (control(p, EPOLL_CTL_ADD, f, events) != ERR_OK) {
        poller_forget(p, f);
        return ERR_SYS;
    }
    return ERR_OK;
}

int poller_change(struct poller *p, const struct loop_fd *f, uint32_t events)
{
    return control(p, EPOLL_CTL_MOD, f, events);
}

void poller_forget(struct poller *p, struct loop_fd *f)
{
    if (f->slot == 0) {
        return;
    }
    struct poller_slot *s = &p->slots[f->slot - 1];

    s->f = NULL;
    s->generation++;
    s->next = p->free;
    p->free = f->slot;
    f->slot = 0;
}

int poller_wait(struct poller *p, int ms)
{
    struct epoll_event ev[BATCH];
    int n = epoll_wait(p->fd, ev, BATCH, ms);

    if (n < 0) {
        return errno == EINTR ? ERR_OK : ERR_SYS;
    }
    for (int i = 0; i < n; i++) {
        const struct poller_slot *s = &p->slots[(uint32_t)ev[i].data.u64];

        if (s->f != NULL && s->generation == ev[i].data.u64 >> 32) {
            s->f->fn(s->f, ev[i].events);
        }
    }
    return ERR_OK;
}
