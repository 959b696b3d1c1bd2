/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration of an instance. */
#include <errno.h>
#include <string.h>

#include "../common/cfg_wrong.h"
#include "evlog.h"

#define OPT(name_, type_, flags_, def_, choices_, help_)                                           \
    .name = (name_), .def = (def_), .help = (help_), .choices = (choices_), .type = (type_),       \
    .flags = (flags_)

const struct pst_option evlog_options[EVLOG_N_OPTIONS] = {
    { OPT("sink", PST_OPT_STR, PST_OPT_REQUIRED, NULL, NULL,
          "stdout, syslog, file:/path or unix:/path") },
    { OPT("events", PST_OPT_STR, PST_OPT_LIST, NULL, NULL,
          "events that are logged; absent: tcp_connection_closed.v0") },
    { OPT("fields", PST_OPT_STR, PST_OPT_LIST, NULL, NULL,
          "fields or groups of them; absent: all there are") },
    { OPT("buffer", PST_OPT_SIZE, 0, "1m", NULL, "memory per worker for lines that wait"),
      .min = 65536, .max = 1 << 30 },
    { OPT("overflow", PST_OPT_STR, 0, "drop", "drop|block", "what a full buffer does") },
    { OPT("account_id", PST_OPT_STR, 0, NULL, NULL, "put into every event") },
};

static const char *const names[EVLOG_EVENTS] = {
    [EVLOG_CLOSED] = "tcp_connection_closed.v0",
    [EVLOG_OPENED] = "tcp_connection_opened.v0",
};

const char *evlog_event_name(enum evlog_event e)
{
    return names[e];
}

static int32_t read_event(struct evlog *e, const pst_cfg *node)
{
    struct pst_str name;
    int32_t rc = evlog_host->cfg_str(node, NULL, &name);

    if (rc != PST_OK) {
        return rc;
    }
    for (int i = 0; i < EVLOG_EVENTS; i++) {
        if (strcmp(name.p, names[i]) != 0) {
            continue;
        }
        if (i == EVLOG_OPENED && e->at_listener) {
            return cfg_wrong(evlog_host, node, "\"%s\" is only known at an edge: list it there",
                             names[i]);
        }
        e->wants[i] = true;
        return PST_OK;
    }
    return cfg_wrong(evlog_host, node, "there is no event \"%s\": \"%s\" and \"%s\" are known",
                     name.p, names[0], names[1]);
}

static int32_t read_field(struct evlog *e, const pst_cfg *node)
{
    struct pst_str name;
    int32_t rc = evlog_host->cfg_str(node, NULL, &name);
    uint64_t mask = rc == PST_OK ? fields_mask(name.p) : 0;

    if (rc == PST_OK && mask == 0) {
        return cfg_wrong(
            evlog_host, node,
            "\"%s\" is neither a field of events, like \"conn.client_ip\", nor a group of "
            "them, like \"tls.client\": postern-event-logging(7) lists them",
            name.p);
    }
    e->fields |= mask;
    return rc;
}

/* Every member of a list. PST_OK, or the last error. */
static int32_t read_list(struct evlog *e, const pst_cfg *list,
                         int32_t (*read)(struct evlog *e, const pst_cfg *node))
{
    int32_t rc = PST_OK;

    for (uint32_t i = 0; i < evlog_host->cfg_count(list); i++) {
        int32_t one = read(e, evlog_host->cfg_at(list, i));

        rc = one == PST_OK ? rc : one;
    }
    return rc;
}

static bool has_prefix(const struct pst_str *s, const char *prefix)
{
    return strncmp(s->p, prefix, strlen(prefix)) == 0;
}

static int32_t check_target(const pst_cfg *cfg, const struct pst_str *target)
{
    if (strcmp(target->p, "stdout") == 0 || strcmp(target->p, "syslog") == 0 ||
        has_prefix(target, "file:/") || has_prefix(target, "unix:/") ||
        has_prefix(target, "syslog:/")) {
        return PST_OK;
    }
    return cfg_wrong(
        evlog_host, evlog_host->cfg_get(cfg, "sink"),
        "\"%s\" is no sink: write \"stdout\", \"syslog\", \"file:/path\" or \"unix:/path\"%s",
        target->p,
        has_prefix(target, "file:") || has_prefix(target, "unix:")
            ? ", with a path that begins with /"
            : "");
}

/* The last step, when nothing else is wrong. */
static int32_t open_sink(struct evlog *e, const pst_cfg *cfg, const struct pst_str *target)
{
    struct pst_str overflow = { "", 0 };
    uint64_t buffer = 0;

    (void)evlog_host->cfg_str(cfg, "overflow", &overflow);
    (void)evlog_host->cfg_size(cfg, "buffer", &buffer);
    e->sink = evlog_sinks->open(e->self, target->p,
                                strcmp(overflow.p, "block") == 0 ? PST_SINK_BLOCK : PST_SINK_DROP,
                                buffer);
    if (e->sink == NULL) {
        return cfg_wrong(evlog_host, evlog_host->cfg_get(cfg, "sink"),
                         "\"%s\" cannot be opened: %s", target->p, strerror(errno));
    }
    evlog_sinks->tell_lost(e->sink, record_lost);
    return PST_OK;
}

int32_t evlog_configure(struct evlog *e, const pst_cfg *cfg)
{
    const pst_cfg *list = evlog_host->cfg_get(cfg, "events");
    const pst_cfg *fields = evlog_host->cfg_get(cfg, "fields");
    struct pst_str chain, target = { "", 0 };
    uint32_t scope = 0;
    int32_t rc[4];

    (void)evlog_host->instance_info(e->self, &chain, &scope);
    e->at_listener = scope == PST_SCOPE_LISTENER;
    e->wants[EVLOG_CLOSED] = list == NULL;
    e->fields = fields == NULL ? UINT64_MAX : 0;
    rc[0] = list == NULL ? PST_OK : read_list(e, list, read_event);
    rc[1] = fields == NULL ? PST_OK : read_list(e, fields, read_field);
    rc[2] = evlog_host->cfg_str(cfg, "account_id", &e->account);
    rc[2] = rc[2] == PST_ERR_NOT_FOUND ? PST_OK : rc[2];
    rc[3] = evlog_host->cfg_str(cfg, "sink", &target);
    rc[3] = rc[3] == PST_OK ? check_target(cfg, &target) : rc[3];
    for (size_t i = 0; i < sizeof(rc) / sizeof(rc[0]); i++) {
        if (rc[i] != PST_OK) {
            return rc[i];
        }
    }
    return open_sink(e, cfg, &target);
}
