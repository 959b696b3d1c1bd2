/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Named services inside one chain: published in init(), found in link(). [main] */
#ifndef POSTERN_MODULE_SERVICE_H
#define POSTERN_MODULE_SERVICE_H

#include <stdbool.h>

#include "plugin-api/postern_module.h"

struct chain;
struct conf_errors;
struct instance;

/* Members of struct pst_host. PST_ERR_STATE outside init() and link(). */
int32_t service_publish(pst_instance *self, const char *name, const void *table, uint32_t flags);
int32_t service_find_each(pst_instance *self, const char *name,
                          void (*found)(void *arg, const void *table), void *arg);

/* Report published MUST_BE_CONSUMED services that nobody found. ERR_CONFIG if there are any. */
int service_check(struct chain *c, struct conf_errors *errors);
/* True while an initialised instance other than `publisher` has found a service of it. */
bool service_in_use(const struct instance *publisher);
/* Forget all of them; the tables are the publishers'. */
void service_free(struct chain *c);

#endif
