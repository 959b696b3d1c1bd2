/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fredman, Sedgewick, Sleator, Tarjan: The pairing heap (1986). A timer's children are a list
 * linked by `next`; `prev` is the sibling before it, of the first one its parent, of the root
 * itself.
 */
#include "core/base/timers.h"

#include <stddef.h>

static struct loop_timer *meld(struct loop_timer *a, struct loop_timer *b)
{
    if (b->at < a->at) {
        struct loop_timer *later = a;

        a = b;
        b = later;
    }
    b->prev = a;
    b->next = a->child;
    if (b->next != NULL) {
        b->next->prev = b;
    }
    a->child = b;
    return a;
}

/* Make one heap of a list of siblings: meld pairs from the left, then what came of it. */
static struct loop_timer *meld_all(struct loop_timer *t)
{
    struct loop_timer *pairs = NULL, *all = NULL;

    while (t != NULL) {
        struct loop_timer *second = t->next;
        struct loop_timer *rest = second == NULL ? NULL : second->next;

        t = second == NULL ? t : meld(t, second);
        t->next = pairs;
        pairs = t;
        t = rest;
    }
    while (pairs != NULL) {
        struct loop_timer *next = pairs->next;

        all = all == NULL ? pairs : meld(all, pairs);
        pairs = next;
    }
    return all;
}

static void set_root(struct loop_timer **heap, struct loop_timer *t)
{
    *heap = t;
    if (t != NULL) {
        t->next = NULL;
        t->prev = t;
    }
}

void timers_remove(struct loop_timer **heap, struct loop_timer *t)
{
    if (t->prev == NULL) {
        return;
    }
    struct loop_timer *below = meld_all(t->child);

    if (t == *heap) {
        set_root(heap, below);
    } else {
        if (t->prev->child == t) {
            t->prev->child = t->next;
        } else {
            t->prev->next = t->next;
        }
        if (t->next != NULL) {
            t->next->prev = t->prev;
        }
        if (below != NULL) {
            set_root(heap, meld(*heap, below));
        }
    }
    t->child = t->next = t->prev = NULL;
}

void timers_set(struct loop_timer **heap, struct loop_timer *t, uint64_t at)
{
    timers_remove(heap, t);
    t->at = at;
    set_root(heap, *heap == NULL ? t : meld(*heap, t));
}
