/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The opaque reader: pst_cfg nodes over libconfig settings. Modules reach it through the host
 * table; the signatures are those of struct pst_host, so its members point here directly.
 */
#ifndef POSTERN_CONFIG_CONF_READER_H
#define POSTERN_CONFIG_CONF_READER_H

#include "plugin-api/pst_config.h"

/*
 * Check a module entry against its declared options: unknown keys (with "did you mean"),
 * types, ranges, choices, required keys, scope. Every problem is added to the errors of the conf
 * that the node belongs to. scope is PST_SCOPE_LISTENER or PST_SCOPE_EDGE. From here on reads of
 * absent keys answer the declared defaults. ERR_CONFIG when there was an error. [main]
 */
int conf_reader_declare(const pst_cfg *entry, const struct pst_option *options, uint32_t n,
                        uint32_t option_size, uint32_t scope);

int32_t conf_reader_str(const pst_cfg *node, const char *key, struct pst_str *out);
int32_t conf_reader_u64(const pst_cfg *node, const char *key, uint64_t *out);
int32_t conf_reader_bool(const pst_cfg *node, const char *key, uint32_t *out);
int32_t conf_reader_duration(const pst_cfg *node, const char *key, uint64_t *ms);
int32_t conf_reader_size(const pst_cfg *node, const char *key, uint64_t *bytes);
int32_t conf_reader_net(const pst_cfg *node, const char *key, struct pst_net *out);
int32_t conf_reader_addr(const pst_cfg *node, const char *key, struct pst_addr *out);
int32_t conf_reader_path(const pst_cfg *node, const char *key, struct pst_str *out);
const pst_cfg *conf_reader_get(const pst_cfg *node, const char *key);
uint32_t conf_reader_type(const pst_cfg *node);
uint32_t conf_reader_count(const pst_cfg *node);
const pst_cfg *conf_reader_at(const pst_cfg *node, uint32_t i);
int32_t conf_reader_name(const pst_cfg *node, struct pst_str *out);
/* Any node of the conf will do as `node`. */
const pst_cfg *conf_reader_shared(const pst_cfg *node, const char *section, const char *name);
void conf_reader_error(const pst_cfg *node, const char *text, size_t n);
void conf_reader_warn(const pst_cfg *node, const char *text, size_t n);

#endif
