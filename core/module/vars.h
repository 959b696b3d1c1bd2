/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Variables: named values of a connection with lazy getters, cached per connection. Names are
 * registered at load on the main thread and never removed; ids are small integers.
 */
#ifndef POSTERN_MODULE_VARS_H
#define POSTERN_MODULE_VARS_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "plugin-api/postern_module.h"

/* Cached values and notes of one connection: those it has, not those there could be. */
struct var_cache {
    struct pst_value *values; /* in the arena, NULL until something is cached; behind the last
                                 comes the id of each, a byte                               */
    uint32_t n, room;
};

/* Register a core variable, before any module is loaded. Answers its id. [main] */
int32_t vars_register_core(const char *name, uint32_t type, pst_var_get get, void *ctx);
/* Members of struct pst_host. [main] */
int32_t vars_register(const char *module, const char *name, uint32_t type, pst_var_get get,
                      void *ctx);
int32_t vars_id(const char *name);
/* The nearest known name for "did you mean", NULL: none is near. [main] */
const char *vars_suggest(const char *name);
/* True when some module asked for the id of this variable. [any] */
int vars_wanted(int32_t id);

/* Get through the cache; memory comes from the connection's arena. [worker] */
int32_t vars_get(struct var_cache *cache, struct arena *arena, pst_conn *conn, int32_t id,
                 struct pst_value *out);
/*
 * Replace what the cache has, by the core itself: copies string bytes into the arena; NONE makes
 * the getter be asked again. PST_ERR_INVALID: another type, PST_ERR_LIMIT: over 64 KiB. [worker]
 */
int32_t vars_set(struct var_cache *cache, struct arena *arena, int32_t id,
                 const struct pst_value *v);
/* The same for a module (note_set): not for variables of the core, PST_ERR_INVALID. [worker] */
int32_t vars_note(struct var_cache *cache, struct arena *arena, int32_t id,
                  const struct pst_value *v);
/* Forget all registrations; no connection is left. [main] */
void vars_reset(void);

#endif
