/* SPDX-License-Identifier: MIT */
/* An entry checked against the options its module declares. */
#include "fake_priv.h"

#include <stdio.h>
#include <string.h>

static int check_choice(const struct pst_option *o, const config_setting_t *s)
{
    const char *text = config_setting_get_string(s), *at = o->choices;
    int errors = 0;
    size_t n;

    if (config_setting_is_aggregate(s)) {
        for (int i = 0; i < config_setting_length(s); i++) {
            errors += check_choice(o, config_setting_get_elem(s, (unsigned)i));
        }
        return errors;
    }
    if (at == NULL || text == NULL) {
        return 0;
    }
    for (n = strlen(text); at != NULL; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, text, n) == 0 && (at[n] == '|' || at[n] == '\0')) {
            return 0;
        }
    }
    fake_conf_wrong(s, "not one of the choices");
    return 1;
}

static int declare_group(const config_setting_t *group, const struct pst_option *table, uint32_t n,
                         uint32_t stride, uint32_t scope);

/* A group, or a list of groups. */
static int declare_sub(const config_setting_t *s, const struct pst_option *o, uint32_t stride,
                       uint32_t scope)
{
    int errors = 0;

    if (config_setting_is_group(s)) {
        return declare_group(s, o->sub, o->n_sub, stride, scope);
    }
    if ((o->flags & PST_OPT_LIST) == 0) {
        fake_conf_wrong(s, "expected a group");
        return 1;
    }
    for (int i = 0; i < config_setting_length(s); i++) {
        const config_setting_t *e = config_setting_get_elem(s, (unsigned)i);

        if (config_setting_is_group(e)) {
            errors += declare_group(e, o->sub, o->n_sub, stride, scope);
        } else {
            fake_conf_wrong(e, "expected a group");
            errors++;
        }
    }
    return errors;
}

/* Options of the other scope are unknown here, and needed only there. */
static int is_of_other_scope(const struct pst_option *o, uint32_t scope)
{
    uint32_t other = scope == PST_SCOPE_EDGE ? PST_OPT_LISTENER_ONLY : PST_OPT_EDGE_ONLY;

    return (o->flags & other) != 0;
}

static int check_member(const config_setting_t *s, const struct pst_option *o, uint32_t stride,
                        uint32_t scope)
{
    int list = config_setting_is_list(s) || config_setting_is_array(s);

    if (o == NULL || is_of_other_scope(o, scope)) {
        fake_conf_wrong(s, o == NULL ? "unknown key" : "not here");
        return 1;
    }
    if (((o->flags & PST_OPT_LIST) != 0) != list) {
        fake_conf_wrong(s, list ? "expected one value" : "expected a list");
        return 1;
    }
    if (o->type == PST_OPT_GROUP && o->sub != NULL) {
        return declare_sub(s, o, stride, scope);
    }
    return check_choice(o, s);
}

static int declare_group(const config_setting_t *group, const struct pst_option *table, uint32_t n,
                         uint32_t stride, uint32_t scope)
{
    char text[128];
    int errors = 0;

    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *s = config_setting_get_elem(group, (unsigned)i);

        errors += check_member(s, fake_conf_option(table, n, stride, config_setting_name(s)),
                               stride, scope);
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct pst_option *o = fake_conf_option_at(table, stride, i);

        if ((o->flags & PST_OPT_REQUIRED) != 0 && !is_of_other_scope(o, scope) &&
            config_setting_get_member(group, o->name) == NULL) {
            snprintf(text, sizeof(text), "\"%s\" is missing", o->name);
            fake_conf_wrong(group, text);
            errors++;
        }
    }
    return errors;
}

int fake_conf_declare(struct fake_inst *i)
{
    const struct pst_module *d = &i->self.module->desc;

    return declare_group(config_root_setting(&i->conf), d->options, d->n_options, d->option_size,
                         i->self.scope);
}
