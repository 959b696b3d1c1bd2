/* SPDX-License-Identifier: GPL-2.0-or-later */
/* posternctl: ask a running postern, and tell it. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "core/base/err.h"
#include "core/base/str.h"
#include "core/ctl/row.h"
#include "core/ctl/show.h"
#include "core/ctl/talk.h"

#define DEFAULT_SOCKET POSTERN_RUNSTATEDIR "/postern/control.sock"
/* As in core/server/control_request.h, with the newline and a NUL. */
#define REQUEST_MAX 1025
/* How long the daemon may be silent, unless the command waits by its nature. */
#define PATIENCE_S 30

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NO_DAEMON = 3 };

enum { OPT_EDGE = 1, OPT_SNI = 2, OPT_CLIENT = 4 };

static const struct command {
    const char *name, *operand; /* the operand's key in a request, NULL: it takes none */
    unsigned options;
    bool waits, needs_filter;
    const char *what;
} commands[] = {
    { "status", NULL, 0, false, false, "how the daemon is" },
    { "connections", NULL, OPT_EDGE | OPT_SNI | OPT_CLIENT, false, false, "those that are open" },
    { "kill", "id", OPT_EDGE | OPT_SNI | OPT_CLIENT, false, true, "end connections" },
    { "edges", NULL, OPT_EDGE, false, false, "edges with their domains and counts" },
    { "upstreams", NULL, OPT_EDGE, false, false, "targets with their health and counts" },
    { "modules", NULL, 0, false, false, "modules that are loaded" },
    { "plan", NULL, 0, false, false, "which modules run where" },
    { "events", NULL, 0, true, false, "connections as they end, until interrupted" },
    { "metrics", NULL, 0, false, false, "all figures, as Prometheus reads them" },
    { "log-level", "level", 0, false, false, "show or set it, until the next reload" },
    { "reload", NULL, 0, true, false, "read the configuration again, and wait for the outcome" },
    { "reopen", NULL, 0, false, false, "open log and event files again, after a rotation" },
    { "upgrade", NULL, 0, true, false, "let another process take over, and wait until it serves" },
    { "drain", NULL, 0, true, false, "accept no more, wait for connections to end, exit" },
    { "stop", NULL, 0, true, false, "end all connections, exit" },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

struct options {
    const char *socket, *edge, *sni, *client;
    bool json;
    uint64_t timeout_s; /* 0: as the command has it */
};

static void usage(FILE *out)
{
    (void)fputs("Usage: posternctl [-j] [-s SOCKET] [-t SECONDS] COMMAND [ARGUMENT...]\n"
                "       posternctl -h | -V\n\n",
                out);
    for (size_t i = 0; i < N_COMMANDS; i++) {
        (void)fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].what);
    }
    (void)fputs("\n"
                "  -e, --edge NAME         edges, upstreams, connections, kill: of this edge\n"
                "  -n, --sni NAME          connections, kill: for this name, or *.SUFFIX\n"
                "  -C, --client NET        connections, kill: from this address or network\n"
                "  -j, --json              print JSON, an object per line\n"
                "  -s, --socket SOCKET     control socket (default " DEFAULT_SOCKET ")\n"
                "  -t, --timeout SECONDS   give up when the daemon is silent for so long\n"
                "  -h, --help              print this and exit\n"
                "  -V, --version           print the version and exit\n"
                "\n"
                "Exit status: 0 done, 1 failed, 2 wrong usage, 3 no daemon there. See "
                "posternctl(8).\n",
                out);
}

static int wrong(const char *what, const char *arg)
{
    (void)fprintf(stderr, "posternctl: %s%s%s; posternctl -h says more\n", what,
                  arg == NULL ? "" : ": ", arg == NULL ? "" : arg);
    return EXIT_USAGE;
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct options *o)
{
    static const struct option longs[] = {
        { "edge", required_argument, NULL, 'e' },
        { "sni", required_argument, NULL, 'n' },
        { "client", required_argument, NULL, 'C' },
        { "json", no_argument, NULL, 'j' },
        { "socket", required_argument, NULL, 's' },
        { "timeout", required_argument, NULL, 't' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "e:n:C:js:t:hV", longs, NULL)) != -1) {
        switch (c) {
        case 'e':
            o->edge = optarg;
            break;
        case 'n':
            o->sni = optarg;
            break;
        case 'C':
            o->client = optarg;
            break;
        case 'j':
            o->json = true;
            break;
        case 's':
            o->socket = optarg;
            break;
        case 't':
            if (str_to_u64(optarg, 86400, &o->timeout_s) != ERR_OK || o->timeout_s == 0) {
                return wrong("not a number of seconds", optarg);
            }
            break;
        case 'h':
            usage(stdout);
            return EXIT_OK;
        case 'V':
            puts("posternctl " PACKAGE_VERSION);
            return EXIT_OK;
        default:
            return wrong("wrong option", NULL);
        }
    }
    return -1;
}

/* Append " key=value". False: it is too long, or would not be one word. */
static bool add(char request[REQUEST_MAX], const char *key, const char *value)
{
    size_t n = strlen(request);

    if (value == NULL) {
        return true;
    }
    for (const char *z = value; *z != '\0'; z++) {
        if (*z <= ' ' || *z > '~') {
            return false;
        }
    }
    return (size_t)snprintf(request + n, REQUEST_MAX - n, " %s=%s", key, value) < REQUEST_MAX - n;
}

static const char *one_option(const struct options *o, unsigned which)
{
    return which == OPT_EDGE ? o->edge : which == OPT_SNI ? o->sni : o->client;
}

/* The line to send. EXIT_OK, or EXIT_USAGE after having said what is wrong. */
static int build(const struct command *c, const struct options *o, int n, char **operands,
                 char request[REQUEST_MAX])
{
    static const char *const keys[] = { "edge", "sni", "client" };
    size_t len;

    (void)snprintf(request, REQUEST_MAX, "%s", c->name);
    for (unsigned i = 0; i < 3; i++) {
        const char *value = one_option(o, 1u << i);

        if (value != NULL && (c->options & 1u << i) == 0) {
            return wrong("this command has no such option", keys[i]);
        }
        if (!add(request, keys[i], value)) {
            return wrong("not a value", value);
        }
    }
    if (n > (c->operand == NULL ? 0 : 1)) {
        return wrong("one argument too many", operands[n - 1]);
    }
    if (n == 1 && !add(request, c->operand, operands[0])) {
        return wrong("not a value", operands[0]);
    }
    if (c->needs_filter && strchr(request, ' ') == NULL) {
        return wrong("say which connections: an id, --edge, --sni or --client", NULL);
    }
    len = strlen(request);
    if (len + 1 >= REQUEST_MAX) {
        return wrong("too long", NULL);
    }
    request[len] = '\n';
    request[len + 1] = '\0';
    return EXIT_OK;
}

/* The last object of a reply: the exit status. */
static int over(const struct row *r)
{
    const char *error = row_get(r, "error");

    if (row_is_true(r, "ok")) {
        return EXIT_OK;
    }
    (void)fprintf(stderr, "posternctl: %s\n", error == NULL ? "refused" : error);
    return EXIT_FAILED;
}

static int lost(const char *why)
{
    (void)fprintf(stderr, "posternctl: the reply is not complete: %s\n", why);
    return EXIT_FAILED;
}

/* One line. -1: go on; else the exit status. */
static int take(struct show *show, bool json, char *line)
{
    struct row r;

    if (json && strncmp(line, "{\"end\":", 7) != 0) {
        puts(line);
        (void)fflush(stdout);
        return -1;
    }
    if (row_parse(line, &r) != ERR_OK) {
        return lost("a line that this version does not understand");
    }
    if (row_get(&r, "end") != NULL) {
        return over(&r);
    }
    return show_row(show, &r) == ERR_OK ? -1 : lost("out of memory");
}

static int receive(struct talk *t, struct show *show, const struct command *c,
                   const struct options *o)
{
    int ms = o->timeout_s > 0 ? (int)o->timeout_s * 1000 : c->waits ? -1 : PATIENCE_S * 1000;
    int rc = -1;

    while (rc < 0) {
        char *line = NULL;

        switch (talk_line(t, ms, &line)) {
        case TALK_LINE:
            rc = take(show, o->json, line);
            break;
        case TALK_QUIET:
            rc = lost("the daemon is silent");
            break;
        case TALK_END:
            rc = lost("the daemon closed the connection");
            break;
        default:
            rc = lost(strerror(errno));
            break;
        }
    }
    if (!o->json) {
        show_end(show, rc == EXIT_OK);
    }
    return rc;
}

int main(int argc, char **argv)
{
    struct options o = { .socket = DEFAULT_SOCKET };
    const struct command *c = NULL;
    char request[REQUEST_MAX];
    struct talk *talk = NULL;
    struct show *show = NULL;
    int rc = parse(argc, argv, &o);

    if (rc >= 0) {
        return rc;
    }
    for (size_t i = 0; optind < argc && i < N_COMMANDS; i++) {
        c = strcmp(commands[i].name, argv[optind]) == 0 ? &commands[i] : c;
    }
    if (c == NULL) {
        return optind < argc ? wrong("no such command", argv[optind]) : wrong("no command", NULL);
    }
    rc = build(c, &o, argc - optind - 1, argv + optind + 1, request);
    if (rc != EXIT_OK) {
        return rc;
    }
    talk = talk_new(o.socket, request);
    if (talk == NULL) {
        (void)fprintf(stderr, "posternctl: cannot connect to %s: %s\n", o.socket, strerror(errno));
        return EXIT_NO_DAEMON;
    }
    show = show_new(c->name);
    rc = show == NULL ? lost("out of memory") : receive(talk, show, c, &o);
    show_free(show);
    talk_free(talk);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)fprintf(stderr, "posternctl: standard output: %s\n", strerror(errno));
        rc = rc == EXIT_OK ? EXIT_FAILED : rc;
    }
    return rc;
}
