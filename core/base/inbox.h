/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inbox of a loop: messages from any thread, announced on an eventfd. Internal to loop.c. */
#ifndef POSTERN_BASE_INBOX_H
#define POSTERN_BASE_INBOX_H

#include <pthread.h>

#include "core/base/loop.h"

struct inbox {
    pthread_mutex_t lock;
    struct msg *head;
    struct msg **tail;
    int fd; /* readable while messages wait */
};

/* ERR_SYS when there is no eventfd. [own thread] */
int inbox_init(struct inbox *in);
/* Close the eventfd. The inbox must be empty. [own thread] */
void inbox_free(struct inbox *in);
/* Append a message and wake the reader if the inbox was empty. [any] */
void inbox_put(struct inbox *in, struct msg *m);
/* Take all messages, oldest first, NULL when there are none; clears the eventfd. [own thread] */
struct msg *inbox_take(struct inbox *in);

#endif
