/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration of an instance: lists, files and policies become two rule sets. */
#include "ipr.h"

#include <stdlib.h>
#include <string.h>

#include "../common/cfg_wrong.h"

#define OPT(name_, type_, flags_, def_, choices_, help_)                                           \
    {                                                                                              \
        .name = (name_), .def = (def_), .help = (help_), .choices = (choices_), .type = (type_),   \
        .flags = (flags_)                                                                          \
    }

const struct pst_option ipr_options[IPR_N_OPTIONS] = {
    OPT("allow", PST_OPT_NET, PST_OPT_LIST, NULL, NULL, "networks that may connect"),
    OPT("deny", PST_OPT_NET, PST_OPT_LIST, NULL, NULL,
        "networks that may not connect, whatever else allows them"),
    OPT("allow_file", PST_OPT_PATH, 0, NULL, NULL, "file of networks that may connect"),
    OPT("deny_file", PST_OPT_PATH, 0, NULL, NULL, "file of networks that may not connect"),
    OPT("policies", PST_OPT_STR, PST_OPT_LIST, NULL, NULL, "names of shared rules in ip_policies"),
    OPT("default", PST_OPT_STR, 0, "deny", "deny|allow",
        "what happens to an address that no rule names"),
};

/* What is passed around while an instance is configured. */
struct setup {
    const struct pst_host *host;
    pst_instance *self;
    const pst_cfg *cfg;
    struct ipr *ipr;
    const pst_cfg *allow_at, *deny_at; /* first place that gave such a rule */
    bool has_allow, has_deny;          /* the administrator wrote some, be they empty */
    bool failed, nomem;
};

static void note_result(struct setup *s, int32_t rc)
{
    s->failed = s->failed || rc != PST_OK;
    s->nomem = s->nomem || rc == PST_ERR_NOMEM;
}

/* A new source; its index, or -1. */
static int add_source(struct setup *s, enum source_kind kind, const char *key, const char *name)
{
    struct ipr *ipr = s->ipr;
    struct source *p;

    if (ipr->n_sources > UINT16_MAX) {
        note_result(s, cfg_wrong(s->host, s->cfg, "too many policies"));
        return -1;
    }
    p = realloc(ipr->sources, (ipr->n_sources + 1) * sizeof(*p));
    if (p == NULL) {
        note_result(s, PST_ERR_NOMEM);
        return -1;
    }
    ipr->sources = p;
    p[ipr->n_sources] = (struct source){ kind, key, name, NULL };
    return (int)ipr->n_sources++;
}

static void mark_place(struct setup *s, bool allow, const pst_cfg *at)
{
    const pst_cfg **first = allow ? &s->allow_at : &s->deny_at;

    if (*first == NULL) {
        *first = at;
    }
    if (allow) {
        s->has_allow = true;
    } else {
        s->has_deny = true;
    }
}

static void read_list(struct setup *s, const char *key, bool allow)
{
    const pst_cfg *list = s->host->cfg_get(s->cfg, key);
    struct rule_set *set = allow ? &s->ipr->allow : &s->ipr->deny;
    int source;

    if (list == NULL || (source = add_source(s, SOURCE_LIST, key, NULL)) < 0) {
        return;
    }
    mark_place(s, allow, list);
    for (uint32_t i = 0; i < s->host->cfg_count(list); i++) {
        struct pst_net net;
        struct cidr c;
        int32_t rc = s->host->cfg_net(s->host->cfg_at(list, i), NULL, &net);

        if (rc == PST_OK) {
            c = cidr_of_net(&net);
            rc = rule_set_add(set, &c, (uint16_t)source, i) == 0 ? PST_OK : PST_ERR_NOMEM;
        }
        note_result(s, rc);
    }
}

static void read_file(struct setup *s, const char *key, bool allow)
{
    const pst_cfg *node = s->host->cfg_get(s->cfg, key);
    struct rule_set *set = allow ? &s->ipr->allow : &s->ipr->deny;
    struct pst_str path;
    int source;
    int32_t rc;

    if (node == NULL) {
        return;
    }
    mark_place(s, allow, node);
    rc = s->host->cfg_path(s->cfg, key, &path);
    if (rc == PST_OK) {
        source = add_source(s, SOURCE_FILE, key, path.p);
        rc = source < 0 ? PST_ERR : ipr_read_file(s->host, node, path.p, set, (uint16_t)source);
    }
    note_result(s, rc);
}

/* The host's reader reports wrong types; what is missing is reported here. */
static int32_t read_member(struct setup *s, const pst_cfg *rule, int32_t rc, const char *key)
{
    if (rc == PST_ERR_NOT_FOUND) {
        return cfg_wrong(s->host, rule, "a rule needs \"%s\"", key);
    }
    return rc;
}

static void read_rule(struct setup *s, const pst_cfg *rule, int source, uint32_t i)
{
    struct pst_str action = { "", 0 }, *detail = &s->ipr->sources[source].details[i];
    struct pst_net net;
    struct cidr c;
    int32_t rc_net, rc_action, rc;
    bool allow;

    if (s->host->cfg_type(rule) != PST_CFG_GROUP) {
        note_result(s,
                    cfg_wrong(s->host, rule, "a rule is a group { cidr; action; description; }"));
        return;
    }
    rc_net = read_member(s, rule, s->host->cfg_net(rule, "cidr", &net), "cidr");
    rc_action = read_member(s, rule, s->host->cfg_str(rule, "action", &action), "action");
    rc = s->host->cfg_str(rule, "description", detail);
    note_result(s, rc == PST_ERR_NOT_FOUND ? PST_OK : rc);
    allow = strcmp(action.p, "allow") == 0;
    if (rc_action == PST_OK && !allow && strcmp(action.p, "deny") != 0) {
        rc_action = cfg_wrong(s->host, s->host->cfg_get(rule, "action"),
                              "\"%s\" is neither \"allow\" nor \"deny\"", action.p);
    }
    note_result(s, rc_net);
    note_result(s, rc_action);
    if (rc_net != PST_OK || rc_action != PST_OK) {
        return;
    }
    mark_place(s, allow, rule);
    c = cidr_of_net(&net);
    if (rule_set_add(allow ? &s->ipr->allow : &s->ipr->deny, &c, (uint16_t)source, i) != 0) {
        note_result(s, PST_ERR_NOMEM);
    }
}

static void read_policy(struct setup *s, const pst_cfg *node)
{
    const pst_cfg *policy, *rules;
    struct pst_str name;
    uint32_t n, type;
    int source;
    int32_t rc = s->host->cfg_str(node, NULL, &name);

    if (rc != PST_OK) {
        note_result(s, rc);
        return;
    }
    policy = s->host->cfg_shared(s->self, "ip_policies", name.p);
    if (policy == NULL) {
        note_result(s,
                    cfg_wrong(s->host, node, "there is no policy \"%s\" in ip_policies", name.p));
        return;
    }
    rules = s->host->cfg_get(policy, "rules");
    type = rules != NULL ? s->host->cfg_type(rules) : PST_CFG_NONE;
    if (type != PST_CFG_LIST) {
        note_result(s, cfg_wrong(s->host, rules != NULL ? rules : policy,
                                 "a policy needs a list \"rules\""));
        return;
    }
    source = add_source(s, SOURCE_POLICY, NULL, name.p);
    if (source < 0) {
        return;
    }
    n = s->host->cfg_count(rules);
    s->ipr->sources[source].details = calloc((size_t)n + 1, sizeof(struct pst_str));
    if (s->ipr->sources[source].details == NULL) {
        note_result(s, PST_ERR_NOMEM);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        read_rule(s, s->host->cfg_at(rules, i), source, i);
    }
}

static void warn(struct setup *s, const pst_cfg *at, const char *text)
{
    s->host->cfg_warn(at != NULL ? at : s->cfg, text, strlen(text));
}

static bool is_empty(const struct rule_set *set)
{
    return set->v4.n == 0 && set->v6.n == 0;
}

/* Two families are easily forgotten; an IPv6 client then walks around the rules or stays out. */
static void warn_families(struct setup *s)
{
    const struct rule_set *a = &s->ipr->allow, *d = &s->ipr->deny;
    bool open = s->ipr->allow_by_default != 0;

    if (!open && !is_empty(a) && a->v6.n == 0) {
        warn(s, s->allow_at, "only IPv4 networks are allowed: no IPv6 client can connect");
    } else if (!open && !is_empty(a) && a->v4.n == 0) {
        warn(s, s->allow_at, "only IPv6 networks are allowed: no IPv4 client can connect");
    }
    if (d->v4.n > 0 && d->v6.n == 0 && (open || a->v6.n > 0)) {
        warn(s, s->deny_at, "only IPv4 networks are denied: IPv6 clients are never denied");
    } else if (d->v6.n > 0 && d->v4.n == 0 && (open || a->v4.n > 0)) {
        warn(s, s->deny_at, "only IPv6 networks are denied: IPv4 clients are never denied");
    }
}

/* What the rules mean together. */
static void check_sense(struct setup *s)
{
    bool open = s->ipr->allow_by_default != 0;

    if (!open && !s->has_allow) {
        note_result(s, cfg_wrong(s->host, s->cfg,
                                 s->has_deny ? "nothing is allowed: give \"allow\", \"allow_file\" "
                                               "or a policy that allows, or write default = "
                                               "\"allow\" when all but the denied may connect"
                                             : "there are no rules: give \"allow\", \"deny\", "
                                               "\"allow_file\", \"deny_file\" or \"policies\""));
    } else if (!open && is_empty(&s->ipr->allow)) {
        warn(s, s->allow_at, "no network is allowed: nobody can connect");
    } else if (open && s->has_allow) {
        warn(s, s->allow_at, "default = \"allow\" lets in what \"allow\" does not name, too");
    }
    warn_families(s);
}

int32_t ipr_configure(const struct pst_host *host, pst_instance *self, const pst_cfg *cfg,
                      struct ipr *ipr)
{
    struct setup s = { .host = host, .self = self, .cfg = cfg, .ipr = ipr };
    const pst_cfg *policies = host->cfg_get(cfg, "policies");
    struct pst_str def = { "", 0 };

    note_result(&s, host->cfg_str(cfg, "default", &def));
    ipr->allow_by_default = strcmp(def.p, "allow") == 0;
    read_list(&s, "allow", true);
    read_list(&s, "deny", false);
    read_file(&s, "allow_file", true);
    read_file(&s, "deny_file", false);
    for (uint32_t i = 0; policies != NULL && i < host->cfg_count(policies); i++) {
        read_policy(&s, host->cfg_at(policies, i));
    }
    if (!s.failed) {
        check_sense(&s);
    }
    if (!s.failed && (rule_set_finish(&ipr->allow) != 0 || rule_set_finish(&ipr->deny) != 0)) {
        note_result(&s, PST_ERR_NOMEM);
    }
    return s.nomem ? PST_ERR_NOMEM : s.failed ? PST_ERR_CONFIG : PST_OK;
}

void ipr_free(struct ipr *ipr)
{
    if (ipr == NULL) {
        return;
    }
    for (uint32_t i = 0; i < ipr->n_sources; i++) {
        free(ipr->sources[i].details);
    }
    free(ipr->sources);
    rule_set_free(&ipr->allow);
    rule_set_free(&ipr->deny);
    free(ipr);
}
