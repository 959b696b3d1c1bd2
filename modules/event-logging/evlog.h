/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside of event-logging: an instance, its configuration, and the record that becomes a line. */
#ifndef POSTERN_EVENT_LOGGING_EVLOG_H
#define POSTERN_EVENT_LOGGING_EVLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <postern_module.h>
#include <services/log_sink.h>

#define EVLOG_NAME "event-logging"

/* Longest line; what goes into one is limited so that everything together fits (record.c). */
#define EVLOG_LINE_MAX 16384

enum evlog_event {
    EVLOG_CLOSED, /* tcp_connection_closed.v0 */
    EVLOG_OPENED, /* tcp_connection_opened.v0 */
    EVLOG_EVENTS
};

/* What is asked of a connection that is opened; names in module.c. */
enum {
    EVLOG_ID,
    EVLOG_START_NS,
    EVLOG_LISTENER,
    EVLOG_EDGE,
    EVLOG_SNI,
    EVLOG_PEER_IP,
    EVLOG_PEER_PORT,
    EVLOG_CLIENT_IP,
    EVLOG_CLIENT_PORT,
    EVLOG_LOCAL_IP,
    EVLOG_LOCAL_PORT,
    EVLOG_UPSTREAM_ADDR,
    EVLOG_UPSTREAM_NAME,
    EVLOG_OPENED_VARS
};

/* Fields of an object, as bits of a mask; record.c has them by name. */
#define EVLOG_FIELDS_MAX 64

/* Read-only once link() has returned. */
struct evlog {
    pst_instance *self;
    pst_sink *sink;
    bool at_listener;
    bool wants[EVLOG_EVENTS];
    uint64_t fields; /* those that are selected                                    */
    struct {
        uint8_t n, at[EVLOG_FIELDS_MAX]; /* their places in the table              */
    } list[EVLOG_EVENTS];
    int32_t vars[EVLOG_FIELDS_MAX];    /* ids of variables by field                */
    int32_t opened[EVLOG_OPENED_VARS]; /* ids, when EVLOG_OPENED is wanted         */
    struct pst_str account;            /* n is 0: none; lives until fini()         */
};

/* Set in load(), read-only afterwards. */
extern const struct pst_host *evlog_host;
extern const struct pst_log_sink *evlog_sinks;

/* --- config.c --- */
#define EVLOG_N_OPTIONS 6
extern const struct pst_option evlog_options[EVLOG_N_OPTIONS];
/* Name of an event as in its line. */
const char *evlog_event_name(enum evlog_event e);
/* Read the configuration and open the sink; all errors are recorded. PST_OK or PST_ERR_*. [main] */
int32_t evlog_configure(struct evlog *e, const pst_cfg *cfg);

/* --- fields.c --- */
/*
 * The mask of a field ("close.reason") or of a group of them ("close", "tls.client"); 0: neither.
 */
uint64_t fields_mask(const char *name);
/* List the selected fields by event and look up their variables. In link(). [main] */
void fields_bind(struct evlog *e);

/* --- record.c --- */
/* Keys of the fields are put together and the process gets its part of event ids. [main] */
void record_setup(void);
/*
 * The line of an event, without a newline, in buf. Answers its length; 0: it did not fit, which
 * cannot be. [worker]
 */
size_t record_line(const struct evlog *e, enum evlog_event what, const struct pst_record *r,
                   pst_conn *conn, char buf[EVLOG_LINE_MAX]);
/* The line that tells that `lost` lines were lost. On the host's writer. */
size_t record_lost(char *buf, size_t n, uint64_t lost);

#endif
