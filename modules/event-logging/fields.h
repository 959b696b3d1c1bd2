/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fields of an event's object: names, sources, limits. */
#ifndef POSTERN_EVENT_LOGGING_FIELDS_H
#define POSTERN_EVENT_LOGGING_FIELDS_H

#include "evlog.h"
#include "json.h"

/* Limits of strings, in bytes between the quotes. */
#define SHORT_MAX  64
#define NAME_MAX_  256 /* host names, names in the configuration, addresses of targets */
#define TEXT_MAX   512 /* subjects, texts for people                                   */
#define LIST_MAX   1024
#define LIST_ITEMS 32
#define SHADOWS    8

/* What all fields take at the most; checked by a test that makes each as long as it can be. */
#define FIELDS_SPACE 12000

/* Where members stand. A group comes before those inside it, and its fields are together. */
enum group {
    G_OBJECT,
    G_CONN,
    G_IP_POLICY,
    G_TLS,
    G_OFFERED,
    G_CLIENT,
    G_UPSTREAM,
    G_TIMING,
    G_CLOSE,
    N_GROUPS
};

struct field_group {
    const char *name; /* as configured           */
    const char *key;  /* as written              */
    enum group in;    /* the group it stands in  */
};

/*
 * Where a value comes from. `at` and `to` are places in the record; that of a variable, when it has
 * one, is a time: before it there is no value.
 */
enum source {
    FROM_STR, /* pst_str, empty: absent                     */
    FROM_U64, /* number, always there                       */
    FROM_U32,
    FROM_COUNT, /* number, 0: absent                          */
    FROM_ID,    /* number as a string                         */
    FROM_IP,    /* pst_addr                                   */
    FROM_PORT,
    FROM_SPAN,   /* microseconds from `at` to `to`, when both were reached */
    FROM_START,  /* wall clock of the accept                   */
    FROM_END,    /* wall clock of the end                      */
    FROM_REASON, /* number, by its name                        */
    FROM_STAGE,
    FROM_SIDE,
    FROM_ALERT, /* number plus 1, 0: absent                   */
    FROM_BOOL,
    FROM_ERRNO,
    FROM_TARGET, /* the upstream's address                     */
    FROM_SHADOW,
    FROM_VAR,  /* the variable `var`, by its type            */
    FROM_LIST, /* its text, split at commas                  */
    FROM_TIME  /* its number, Unix seconds                   */
};

struct field {
    const char *name; /* as configured: with its groups */
    enum group in;
    enum source from;
    uint16_t at, to;
    uint16_t most; /* of a string */
    bool opened;   /* also in tcp_connection_opened */
    const char *var;
};

/* In the order of the line. */
extern const struct field_group field_groups[N_GROUPS];
/* One without a name ends it. */
extern const struct field fields[EVLOG_FIELDS_MAX];

/* Put the keys together. Once, before anything is put. [main] */
void fields_setup(void);
/* The members of the object, without its braces. [worker] */
void fields_put(struct json *j, const struct evlog *e, enum evlog_event what,
                const struct pst_record *r, pst_conn *conn);

#endif
