/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/server/control_request.h"

#include <stdio.h>
#include <string.h>

#include "core/base/addr.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/name.h"
#include "core/base/str.h"

/* Arguments a command may have. */
enum { ARG_ID = 1, ARG_EDGE = 2, ARG_SNI = 4, ARG_CLIENT = 8, ARG_LEVEL = 16 };
#define ARGS_FILTER (ARG_ID | ARG_EDGE | ARG_SNI | ARG_CLIENT)

static const struct {
    const char *name;
    enum control_command command;
    unsigned args;
} commands[] = {
    { "status", CONTROL_STATUS, 0 },
    { "reload", CONTROL_RELOAD, 0 },
    { "reopen", CONTROL_REOPEN, 0 },
    { "upgrade", CONTROL_UPGRADE, 0 },
    { "drain", CONTROL_DRAIN, 0 },
    { "stop", CONTROL_STOP, 0 },
    { "plan", CONTROL_PLAN, 0 },
    { "edges", CONTROL_EDGES, ARG_EDGE },
    { "upstreams", CONTROL_UPSTREAMS, ARG_EDGE },
    { "modules", CONTROL_MODULES, 0 },
    { "connections", CONTROL_CONNECTIONS, ARGS_FILTER },
    { "kill", CONTROL_KILL, ARGS_FILTER },
    { "events", CONTROL_EVENTS, 0 },
    { "metrics", CONTROL_METRICS, 0 },
    { "log-level", CONTROL_LOG_LEVEL, ARG_LEVEL },
};

static const struct {
    const char *name; /* with its "=" */
    unsigned arg;
} arguments[] = {
    { "id=", ARG_ID },         { "edge=", ARG_EDGE },   { "sni=", ARG_SNI },
    { "client=", ARG_CLIENT }, { "level=", ARG_LEVEL },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int refuse(char *why, size_t why_n, const char *what, const char *value)
{
    char text[128];

    str_escape(text, sizeof(text), value, strlen(value));
    (void)snprintf(why, why_n, "%s: \"%s\"", what, text);
    return ERR_INVALID;
}

/* A name or "*.suffix", in the form that connections have it in. */
static int take_sni(struct control_request *r, const char *value)
{
    char name[NAME_MAX_LEN + 1];
    bool wildcard = false;
    size_t n;

    if (name_normalise_pattern(value, strlen(value), name, &n, &wildcard) != ERR_OK || n == 0) {
        return ERR_INVALID;
    }
    (void)snprintf(r->sni, sizeof(r->sni), "%s%s", wildcard ? "*." : "", name);
    r->filter.sni = r->sni;
    return ERR_OK;
}

static int take(struct control_request *r, unsigned arg, char *value, char *why, size_t why_n)
{
    switch (arg) {
    case ARG_ID:
        return str_to_u64(value, UINT64_MAX, &r->filter.id) == ERR_OK && r->filter.id != 0
                   ? ERR_OK
                   : refuse(why, why_n, "not the id of a connection", value);
    case ARG_EDGE:
        r->filter.edge = value;
        return ERR_OK;
    case ARG_SNI:
        return take_sni(r, value) == ERR_OK ? ERR_OK
                                            : refuse(why, why_n, "not a server name", value);
    case ARG_CLIENT:
        r->filter.has_client = true;
        return addr_parse_net(value, &r->filter.client) == ERR_OK
                   ? ERR_OK
                   : refuse(why, why_n, "not an address or a network", value);
    default:
        r->level = log_level_parse(value);
        return r->level >= 0 ? ERR_OK : refuse(why, why_n, "not a log level", value);
    }
}

static int take_word(struct control_request *r, unsigned allowed, unsigned *seen, char *word,
                     char *why, size_t why_n)
{
    for (size_t i = 0; i < COUNT(arguments); i++) {
        size_t n = strlen(arguments[i].name);

        if (strncmp(word, arguments[i].name, n) != 0) {
            continue;
        }
        if ((allowed & arguments[i].arg) == 0 || (*seen & arguments[i].arg) != 0) {
            break;
        }
        *seen |= arguments[i].arg;
        return word[n] == '\0' ? refuse(why, why_n, "an argument without a value", word)
                               : take(r, arguments[i].arg, word + n, why, why_n);
    }
    return refuse(why, why_n, "an argument that this command does not take, or not twice", word);
}

int control_request_parse(const char *p, size_t n, struct control_request *r, char *why,
                          size_t why_n)
{
    char *rest = r->text, *word;
    unsigned seen = 0;
    size_t i = 0;

    *r = (struct control_request){ .level = -1 };
    if (n >= sizeof(r->text)) {
        return refuse(why, why_n, "too long", "");
    }
    memcpy(r->text, p, n);
    for (size_t k = 0; k < n; k++) {
        if (r->text[k] < ' ' || r->text[k] > '~') {
            return refuse(why, why_n, "a character that no request has", "");
        }
    }
    word = strsep(&rest, " ");
    while (i < COUNT(commands) && strcmp(commands[i].name, word) != 0) {
        i++;
    }
    if (i == COUNT(commands)) {
        return refuse(why, why_n, "no such command", word);
    }
    r->command = commands[i].command;
    while ((word = strsep(&rest, " ")) != NULL) {
        if (take_word(r, commands[i].args, &seen, word, why, why_n) != ERR_OK) {
            return ERR_INVALID;
        }
    }
    if (r->command == CONTROL_KILL && seen == 0) {
        return refuse(why, why_n, "which connections? give an id, an edge, a name or a client",
                      commands[i].name);
    }
    return ERR_OK;
}

void control_request_copy(struct control_request *to, const struct control_request *from)
{
    *to = *from;
    if (from->filter.edge != NULL) {
        to->filter.edge = to->text + (from->filter.edge - from->text);
    }
    if (from->filter.sni != NULL) {
        to->filter.sni = to->sni;
    }
}
