/* SPDX-License-Identifier: MIT */
/* Inside of the fake host: the structs behind the opaque handles. */
#ifndef POSTERN_T_HARNESS_FAKE_PRIV_H
#define POSTERN_T_HARNESS_FAKE_PRIV_H

#include <libconfig.h>

#include <services/log_sink.h>

#include "fake_host.h"

#define FAKE_VARS    128
#define FAKE_METRICS 64

struct fake_text {
    char *p; /* NUL-terminated */
    size_t n, room;
};

struct fake_var {
    char *name;
    uint32_t type;
    pst_var_get get;
    void *ctx;
};

struct fake_metric {
    char *module, *name;
    int64_t sum;
};

/* A sink that a module opened; the lines of all sinks are kept by the host. */
struct pst_sink {
    struct pst_sink *next;
    char *target;
    uint32_t overflow;
    uint64_t ring, dropped;
    int full; /* drops what is written */
    struct fake_text lines;
    size_t (*tell_lost)(char *buf, size_t n, uint64_t lost);
    int refs;
};

struct fake_service {
    struct fake_service *next;
    pst_instance *by;
    char *name;
    const void *table;
    uint32_t flags;
    int consumed;
};

struct fake_job {
    struct fake_job *next;
    struct pst_scope scope;
    void (*done)(void *arg, int32_t status);
    void *arg;
    int32_t status;
};

struct fake_module {
    struct fake_module *next;
    struct fake_host *host;
    void *dl; /* never closed: as in the proxy */
    struct pst_module desc;
    struct pst_hooks hooks;
};

struct pst_instance {
    struct fake_module *module;
    char *chain;
    uint32_t scope;
    int shadow; /* `enforce = false` */
};

struct pst_worker {
    pst_instance *inst;
};

struct fake_inst {
    struct pst_instance self;
    struct pst_worker worker;
    void *ptr, *worker_state;
    int has_worker;
    config_t conf;
};

struct pst_timer {
    struct pst_timer *next;
    struct pst_scope scope;
    void (*fire)(void *arg);
    void *arg;
    uint64_t due_ns; /* 0: not running */
};

struct pst_watch {
    struct pst_watch *next;
    struct pst_scope scope;
    int32_t fd;
    uint32_t events;
    void (*ready)(void *arg, uint32_t events);
    void *arg;
};

struct pst_ticket {
    pst_conn *conn; /* NULL: the wait is over */
    void (*cancel)(void *arg);
    void *arg;
};

struct pst_stream {
    struct pst_stream *below; /* the stream this one is stacked on, NULL: none */
    struct pst_stream_ops ops;
    void *ctx;
    int owned; /* by the host: close() is due */
};

struct pst_filter {
    struct pst_filter *next;
    pst_conn *conn;
    uint32_t dir;
    struct pst_filter_ops ops;
    void *ctx;
    struct fake_text kept; /* neither passed nor dropped yet */
    int gone;
};

struct pst_filter_out {
    const uint8_t *data;
    size_t n, used;
    struct fake_text *out;
};

struct pst_listener {
    struct pst_listener *next;
    char *name;
};

/* An instance that a connection has met. */
struct fake_seen {
    struct fake_seen *next;
    struct fake_inst *inst;
    void *state;
};

struct fake_block {
    struct fake_block *next;
    uint64_t data[];
};

struct pst_conn {
    struct pst_conn *next;
    struct fake_host *host;
    struct fake_seen *seen; /* in order of meeting */
    struct fake_block *blocks;
    struct pst_value values[FAKE_VARS];
    const struct pst_hello *hello;
    uint32_t stage; /* of the hook that is running, 0: none */
    pst_ticket *ticket;
    int resumed, injected, killed;
    int32_t resumed_verdict;
    char *code, *text, *edge, *shown;
    struct pst_stream *top[3]; /* by PST_SIDE_* */
    const struct pst_upstream_target *target;
    int claimed_fd;
    struct fake_text prepended[3]; /* by PST_LAYER_* */
    struct pst_filter *filters;
    struct fake_text filtered[3]; /* by PST_DIR_* */
};

struct fake_host {
    struct pst_host table;
    struct fake_text transcript;
    struct fake_module *modules;
    struct fake_var vars[FAKE_VARS];
    int n_vars;
    struct fake_metric metrics[FAKE_METRICS];
    int n_metrics;
    struct fake_service *services;
    struct fake_job *jobs;
    struct pst_sink *sinks;
    struct pst_timer *timers;
    struct pst_watch *watches;
    struct pst_listener *listeners;
    pst_conn *conns;
    config_t shared;
    struct fake_inst *configuring; /* inside init() */
    uint64_t now_ns;
    int tickets;
    unsigned refuse, asked; /* see fake_host_refuse() */
    const void *thread;     /* of the test */
    int in_hook, in_job;    /* a hook of a connection, a job of offload() runs */
};

/* The one host there is. */
extern struct fake_host *fake_current;

/*
 * A host function was called that only the main thread (FAKE_MAIN), or only the thread of its scope
 * (FAKE_HERE) may call: says so in the transcript when this is another.
 */
void fake_main(const char *call);
void fake_here(const char *call);
#define FAKE_CALL   (__func__ + sizeof("host_") - 1)
#define FAKE_MAIN() fake_main(FAKE_CALL)
#define FAKE_HERE() fake_here(FAKE_CALL)

/* 1 when this request of a module is the one to be refused. */
int fake_refuses(void);

/* Memory that is never NULL: a test cannot go on without. */
void *fake_alloc(size_t n);
char *fake_copy(const char *p, size_t n);
void fake_append(struct fake_text *t, const void *p, size_t n);
/* Add a line to the transcript. */
void fake_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *fake_verdict_name(int32_t verdict);
/* "module", or "module@chain" of an instance. */
const char *fake_instance_name(const pst_instance *self);

/* Fill in the members of the table each file implements. */
void fake_module_table(struct pst_host *t);
void fake_conf_table(struct pst_host *t);
void fake_conn_table(struct pst_host *t);
void fake_vars_table(struct pst_host *t);
void fake_sched_table(struct pst_host *t);
void fake_stream_table(struct pst_host *t);

/* Record an error at a setting; answers PST_ERR_CONFIG. */
int32_t fake_conf_wrong(const config_setting_t *s, const char *text);
/* A declared option by name (NULL: none) or by index, in a table walked with `stride`. */
const struct pst_option *fake_conf_option(const struct pst_option *table, uint32_t n,
                                          uint32_t stride, const char *name);
const struct pst_option *fake_conf_option_at(const struct pst_option *table, uint32_t stride,
                                             uint32_t i);
/* Check an entry against the declared options; the number of errors. */
int fake_conf_declare(struct fake_inst *i);

/* The service "postern.log-sink/1", and its end. */
const struct pst_log_sink *fake_sink_service(void);
void fake_sink_free(struct fake_host *h);

/* Cancel timers, watches and jobs of a scope. */
void fake_sched_end(void *owner);
void fake_sched_free(struct fake_host *h);
/* Close streams and detach filters of a connection. */
void fake_stream_end(pst_conn *c);
void fake_vars_end(pst_conn *c);
void fake_vars_free(struct fake_host *h);
/* Id of a variable, registered when it is new. */
int fake_var_id(const char *name, uint32_t type);

#endif
