/* SPDX-License-Identifier: MIT */
/*
 * A host table for tests of modules, without a proxy, a network or a clock. It needs libconfig
 * and the public headers, nothing else of Postern; postern-module(7) shows how a module outside
 * of Postern is tested with it.
 *
 *     struct fake_host *h = fake_host_new();
 *     struct fake_module *m = fake_module_load(h, "./my-module.so");
 *     struct fake_inst *i = fake_inst_new(m, PST_SCOPE_EDGE, "api", "greeting = \"hi\";");
 *     pst_conn *c = fake_conn_new(h);
 *     fake_conn_set_ip(c, "conn.client_ip", "192.0.2.1");
 *     assert(fake_conn_run(c, i, PST_STAGE_ADMIT, NULL) == PST_NEXT);
 *     assert(fake_host_saw(h, "hi"));
 *     fake_conn_end(c, NULL); fake_inst_free(i); fake_host_free(h);
 *
 * Whatever a module asks of the host leaves a line in a transcript: log messages, configuration
 * errors, denials, suspensions, timers. Tests look for lines or compare the whole.
 *
 * One host at a time, one thread: the table of functions carries no context. Calls from a place
 * that the headers forbid leave a line that begins with "bug:". Jobs of offload()
 * run at once, their `done` in fake_host_turn(). Timers fire in fake_host_advance(). Nothing is
 * ever called back from inside a host call.
 */
#ifndef POSTERN_T_HARNESS_FAKE_HOST_H
#define POSTERN_T_HARNESS_FAKE_HOST_H

#include <stddef.h>
#include <stdint.h>

#include <postern_module.h>

struct fake_host;
struct fake_module;
struct fake_inst;

/* --- host -------------------------------------------------------------------------------- */

/* The host; aborts when there is one already, or no memory. Free with fake_host_free(). */
struct fake_host *fake_host_new(void);
/* Runs unload() of all modules and frees everything but shared objects. NULL is fine. */
void fake_host_free(struct fake_host *h);

/* The table as modules get it. Borrowed. */
const struct pst_host *fake_host_table(struct fake_host *h);
/* The table of 1.0 ended here. This never changes. */
#define FAKE_HOST_SIZE_1_0 (offsetof(struct pst_host, wall_us) + sizeof(uint64_t(*)(void)))
/* Pretend to be an older host: `size` bytes of table, minor version `minor`. Before loading. */
void fake_host_truncate(struct fake_host *h, uint32_t size, uint32_t minor);

/* Everything so far, one line each. Borrowed until the next call of the host. */
const char *fake_host_transcript(const struct fake_host *h);
void fake_host_forget(struct fake_host *h);
/* 1 when the transcript contains `text`. */
int fake_host_saw(const struct fake_host *h, const char *text);

/* The top-level lists of the configuration that modules share: `ip_policies = ( ... );`. */
void fake_host_shared(struct fake_host *h, const char *text);

/* Sum of a metric, by module and name; INT64_MIN: never defined. */
int64_t fake_host_metric(const struct fake_host *h, const char *module, const char *name);
/* Tickets that modules still hold. */
int fake_host_tickets(const struct fake_host *h);

/* Run the `done` of finished jobs. Answers how many. */
int fake_host_turn(struct fake_host *h);
/* Let `ms` pass; timers that become due fire, in order. Answers how many. */
int fake_host_advance(struct fake_host *h, uint64_t ms);
/* Make the watches of `fd` ready. Answers how many were interested. */
int fake_host_watch(struct fake_host *h, int fd, uint32_t events);

/*
 * Refuse the k-th request from now on for memory, a ticket, a timer, a watch, a job or a filter, as
 * a host does that is short of memory; 0: none. Answers how many there were since the last call.
 */
unsigned fake_host_refuse(struct fake_host *h, unsigned k);

/* The i-th connection that modules injected; NULL: there are fewer. End it as any other. */
pst_conn *fake_host_injected(struct fake_host *h, int i);

/* --- modules and instances --------------------------------------------------------------- */

/*
 * Load a shared object, check its descriptor as the proxy does and run load(). NULL: refused,
 * the transcript says why. Lives until fake_host_free().
 */
struct fake_module *fake_module_load(struct fake_host *h, const char *path);
/* The same for a descriptor that is linked in. */
struct fake_module *fake_module_add(struct fake_host *h, const struct pst_module *desc);
/* The normalised descriptor. Borrowed. */
const struct pst_module *fake_module_desc(const struct fake_module *m);

/*
 * Check `config` (the members of a module entry, in libconfig's language) against the declared
 * options and run init(). NULL: refused, the transcript has the errors. `scope` is PST_SCOPE_*,
 * `chain` the name of the listener or edge; instances of the same chain share services.
 */
struct fake_inst *fake_inst_new(struct fake_module *m, uint32_t scope, const char *chain,
                                const char *config);
/* Run link(), or adopt() from an older instance; the hook's answer, PST_OK without a hook. */
int32_t fake_inst_link(struct fake_inst *i);
int32_t fake_inst_adopt(struct fake_inst *i, struct fake_inst *prev);
/* Run retire(). */
void fake_inst_retire(struct fake_inst *i);
/* Run worker_init() on the one worker there is; fake_inst_free() runs worker_fini(). */
int32_t fake_inst_worker(struct fake_inst *i);
/* How many services that must be consumed nobody found. After all instances are linked. */
int fake_host_unconsumed(const struct fake_host *h);
/* Run fini() and free. Connections that saw the instance must be over. NULL is fine. */
void fake_inst_free(struct fake_inst *i);
/* What init() stored. */
void *fake_inst_ptr(const struct fake_inst *i);

/* Pretend that the administrator wrote `enforce = false` for it. */
void fake_inst_shadow(struct fake_inst *i);

/* --- sinks ("postern.log-sink/1") ---------------------------------------------------------- */

/* What was written to a target so far, a newline behind each line; NULL: nobody opened it. */
const char *fake_sink_lines(const struct fake_host *h, const char *target);
/* Users of a target, and what the last one asked for. */
int fake_sink_refs(const struct fake_host *h, const char *target, uint32_t *overflow,
                   uint64_t *ring);
/* 1: every line is dropped from now on. 0: no more, and the line that tells of them is written. */
void fake_sink_full(struct fake_host *h, const char *target, int full);

/* --- connections ------------------------------------------------------------------------- */

/* A connection; end it with fake_conn_end(). */
pst_conn *fake_conn_new(struct fake_host *h);

/* Script a variable. Strings are copied. Unknown names are registered on the way. */
void fake_conn_set(pst_conn *c, const char *name, const struct pst_value *v);
void fake_conn_set_str(pst_conn *c, const char *name, const char *text);
/* An address as text: "192.0.2.1", "2001:db8::1", or "unix". */
void fake_conn_set_ip(pst_conn *c, const char *name, const char *ip);
/* What host->conn_hello() answers. Borrowed until fake_conn_end(). */
void fake_conn_set_hello(pst_conn *c, const struct pst_hello *hello);

/* What host->upstream_target() answers; NULL: nothing. Borrowed until fake_conn_end(). */
void fake_conn_set_target(pst_conn *c, const struct pst_upstream_target *target);

/*
 * Run the hook of one stage as the proxy would and answer its verdict. Verdicts that the stage
 * does not know, and PENDING without suspend(), become PST_ERROR. An instance without the hook
 * says PST_NEXT. For PST_STAGE_PREFACE `arg` is a struct pst_preface, and so on.
 */
int32_t fake_conn_run(pst_conn *c, struct fake_inst *i, uint32_t stage, void *arg);
/* 1 when a suspended hook was resumed; *verdict is its verdict. */
int fake_conn_resumed(pst_conn *c, int32_t *verdict);
/* Let the deadline of a suspended hook pass: cancel() runs. */
void fake_conn_expire(pst_conn *c);
/* on_close (with `record`, or one of zeros) in order, conn_fini in reverse; then free. */
void fake_conn_end(pst_conn *c, const struct pst_record *record);

/* What the module said with the last host->deny(); "" before. */
const char *fake_conn_deny_code(const pst_conn *c);
const char *fake_conn_deny_text(const pst_conn *c);
/* A variable or note as text: strings as they are, numbers in decimal, "" for none. */
const char *fake_conn_var(pst_conn *c, const char *name);
/* What set_edge() named; "" for nothing. */
const char *fake_conn_edge(const pst_conn *c);
int fake_conn_killed(const pst_conn *c);

/* --- streams and filters ----------------------------------------------------------------- */

/* The stream below whatever modules stack on `side`: any implementation of the operations. */
void fake_conn_set_stream(pst_conn *c, uint32_t side, const struct pst_stream_ops *ops, void *ctx);
/* The topmost stream of `side`, for the test to drive; NULL: there is none. */
const struct pst_stream_ops *fake_conn_stream(pst_conn *c, uint32_t side, void **ctx);
/* The descriptor given to upstream_claim_fd(), or -1. */
int fake_conn_claimed_fd(const pst_conn *c);
/* Bytes given to prepend(). Borrowed. */
struct pst_str fake_conn_prepended(const pst_conn *c, uint32_t layer);
/*
 * Send bytes through the filters of a direction; what comes out is answered, borrowed until the
 * next call for that direction. *rc is what the first failing filter answered, else PST_OK.
 */
struct pst_str fake_conn_filter(pst_conn *c, uint32_t dir, const void *data, size_t n, uint32_t fin,
                                int32_t *rc);

#endif
