/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instances and chains. A chain is the module list of one listener or edge of one generation,
 * flattened to one array of steps per stage. Immutable once linked; shared by all workers.
 */
#ifndef POSTERN_MODULE_CHAIN_H
#define POSTERN_MODULE_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugin-api/postern_module.h"

struct chain;
struct conf_errors;
struct conf_module;
struct loop;
struct module;
struct watch_scope;

#define CHAIN_STAGES (PST_STAGE_CONN_FINI + 1)

/* One module entry; pst_instance * is the same pointer. */
struct instance {
    const struct module *module;
    struct chain *chain;
    void *inst;                /* the module's own                                       */
    const struct pst_cfg *cfg; /* only until chain_link() has returned; may be NULL       */
    const char *where;         /* "edges[2].modules[0]", owned by the conf               */
    uint32_t index;            /* position in the administrator's list                   */
    size_t state_offset;       /* of its conn_state_size bytes in the connection's block */
    bool enforce;
    bool declared; /* its options were found good                            */
    bool initialised;
    struct watch_scope *scope;       /* timers and watches of the instance, on the main loop   */
    struct instance_worker *workers; /* one per worker                                    */
};

/* An instance on one worker; pst_worker * is the same pointer. */
struct instance_worker {
    struct instance *instance;
    struct loop *loop;
    unsigned worker; /* number of the worker                                   */
    void *state;     /* what worker_init() stored                              */
    bool initialised;
    struct watch_scope *scope;
};

struct chain_step {
    pst_hook fn;
    struct instance *instance;
};

/* What is going on with a chain: services are published in INIT and found in LINK only. */
enum chain_phase { CHAIN_NEW, CHAIN_INIT, CHAIN_LINK, CHAIN_LINKED };

struct chain {
    const char *name;           /* of the listener or edge, owned by the conf             */
    uint32_t scope;             /* PST_SCOPE_LISTENER | PST_SCOPE_EDGE                    */
    struct instance *instances; /* array, in list order                                   */
    size_t n;
    size_t state_size; /* bytes of state all its instances need per connection   */
    struct chain_step *steps[CHAIN_STAGES]; /* CONN_FINI already in reverse order         */
    uint16_t n_steps[CHAIN_STAGES];
    struct service *services; /* published ones (service.c)                             */
    struct loop *main_loop;   /* of the instances' scopes; known from chain_init() on   */
    unsigned n_workers;
    enum chain_phase phase;
    bool broken; /* an error was reported: it will never serve             */
    struct instance_worker *worker_block; /* all `workers` of all instances               */
    struct chain_step *step_block;        /* all `steps` of all stages                    */
};

/*
 * Make the chain of `mods`: load modules, check scope, roles and constraints, check the declared
 * options, allocate instances. No hook is called. Every problem goes to `errors` and leaves the
 * chain `broken` (refused modules have no instance in it); NULL only when out of memory.
 * `n_workers` instance_worker are laid out for each instance. [main]
 */
struct chain *chain_new(const char *name, uint32_t scope, const struct conf_module *mods, size_t n,
                        const char *module_dir, const struct pst_host *host, unsigned n_workers,
                        struct conf_errors *errors);
/*
 * init() of every instance in list order; all are run even when one fails, but not those whose
 * options were wrong. main_loop may be NULL when nothing will run (-t). ERR_CONFIG. [main]
 */
int chain_init(struct chain *c, struct loop *main_loop, struct conf_errors *errors);
/* link() of every instance, then the check for unconsumed services, then flatten. ERR_CONFIG,
 * ERR_NOMEM. [main] */
int chain_link(struct chain *c, struct conf_errors *errors);
/* adopt(): each instance from the instance of the same module (and same ordinal) in prev. [main] */
int chain_adopt(struct chain *c, struct chain *prev, struct conf_errors *errors);
/*
 * worker_init() / worker_fini() of all instances on one worker. When one fails those before it are
 * ended again: ERR_MODULE. [worker]
 */
int chain_worker_init(struct chain *c, unsigned worker, struct loop *l);
void chain_worker_fini(struct chain *c, unsigned worker);
/* retire() of all. [main] */
void chain_retire(struct chain *c);
/*
 * fini() of what was initialised, then free. Reverse list order, except that an instance whose
 * service was found by another one waits for that one. NULL is fine. [main]
 */
void chain_free(struct chain *c);

/* True when a module of the chain has this PST_ROLE_*. */
bool chain_has_role(const struct chain *c, uint32_t role);
/* Name of a stage, "on_admit". */
const char *stage_name(uint32_t stage);

#endif
