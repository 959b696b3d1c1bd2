/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The shared list ip_policies: checked here, so that a set nobody uses is checked too. */
#include "core/config/conf_priv.h"

#include <stdio.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/hash.h"
#include "core/config/conf_node.h"
#include "core/config/conf_reader.h"
#include "plugin-api/pst_abi.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Read by conf_reader_declare(), as the options of a module are. */
static const struct conf_key rule_keys[] = {
    { .o = { .name = "cidr",
             .type = PST_OPT_NET,
             .flags = PST_OPT_REQUIRED,
             .help = "whom the rule is about" } },
    { .o = { .name = "action",
             .type = PST_OPT_STR,
             .choices = "allow|deny",
             .flags = PST_OPT_REQUIRED,
             .help = "what becomes of them" } },
    { .o = { .name = "description", .type = PST_OPT_STR, .help = "for people" } },
};

const struct conf_key conf_policy_keys[] = {
    { .o = { .name = "name", .type = PST_OPT_STR, .flags = PST_OPT_REQUIRED, .help = "unique" } },
    { .o = { .name = "rules",
             .type = PST_OPT_GROUP,
             .flags = PST_OPT_REQUIRED | PST_OPT_LIST,
             CONF_MEMBERS(rule_keys),
             .help = "what it says" } },
};

static void read_one(struct conf_priv *p, const config_setting_t *s)
{
    const config_setting_t *name_setting;
    struct conf_node *node;
    const char *name;

    if (config_setting_type(s) != CONFIG_TYPE_GROUP) {
        conf_wrong_type(p, s, "a group with the keys \"name\" and \"rules\"");
        return;
    }
    node = conf_node_of(conf_node_new(p, s, false));
    if (node == NULL) {
        conf_nomem(p);
        return;
    }
    /* One with errors is made known all the same: who refers to it is not wrong. */
    conf_reader_declare(&node->handle, &conf_policy_keys[0].o, COUNT(conf_policy_keys),
                        sizeof(conf_policy_keys[0]), PST_SCOPE_LISTENER | PST_SCOPE_EDGE);
    name_setting = config_setting_get_member(s, "name");
    if (name_setting == NULL || config_setting_type(name_setting) != CONFIG_TYPE_STRING ||
        !conf_name_read(p, name_setting, &name)) {
        return;
    }
    if (map_put(p->policies, name, strlen(name), node) == ERR_EXISTS) {
        const struct conf_node *other = map_get(p->policies, name, strlen(name));
        char where[512];

        conf_fail(p, name_setting, "another policy is called \"%s\"%s", name,
                  conf_place(other->s, where, sizeof(where)));
    }
}

void conf_policies_read(struct conf_priv *p, const config_setting_t *list)
{
    for (int i = 0; i < config_setting_length(list); i++) {
        read_one(p, conf_elem(list, i));
    }
}
