/* SPDX-License-Identifier: GPL-2.0-or-later */
/* postern-module-check: see postern-module-check(1). */
#include "config.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/str.h"
#include "kit/check/check.h"

/* The module's code gets this long for each part; sanitizers and valgrind are slow. */
#define PART_SECONDS 120u
#define SECONDS_MAX  86400u

static const char usage_text[] =
    "usage: postern-module-check [-j] [-s SCOPE] [-c CONFIG] [-t SECONDS] MODULE.so [OPTION=VALUE "
    "...]\n"
    "Loads a module of Postern into a host without a proxy and tells what is wrong with it.\n"
    "  -j, --json           one JSON object instead of lines\n"
    "  -s, --scope SCOPE    only as a module of a listener, or of an edge\n"
    "  -c, --config CONFIG  members of its entry in a list of modules: 'greeting = \"hi\";'\n"
    "  -t, --timeout SECS   for each part of the check (120)\n"
    "  -h, --help           this text\n"
    "  -V, --version        versions of Postern and of the module interface\n"
    "Exit status: 0 in order, 1 something is wrong, 2 it could not be checked.\n";

struct part {
    uint32_t scope; /* 0: the descriptor */
    bool old;
};

static void run_part(const struct check *ck, const struct part *p)
{
    if (p->scope == 0) {
        check_descriptor(ck);
    } else {
        check_life(ck, p->scope, p->old);
    }
}

static void blame(const struct check *ck, int status)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
        problem(ck->all, "blocks", "does not come back from %s: no hook may block", ck->all->doing);
    } else if (WIFSIGNALED(status)) {
        problem(ck->all, "crash", "crashes in %s (%s): run this under valgrind or a debugger",
                ck->all->doing, strsignal(WTERMSIG(status)));
    } else {
        problem(ck->all, "exit", "ended the process in %s (status %d): the proxy would be gone",
                ck->all->doing, WEXITSTATUS(status));
    }
}

/* Run a part in a process of its own. False: no process is to be had. */
static bool run_isolated(const struct check *ck, const struct part *p)
{
    int status = 0;
    pid_t pid;

    fflush(NULL);
    ck->all->done = 0;
    ck->all->quiet = 0;
    pid = fork();
    if (pid == 0) {
        alarm(ck->seconds);
        run_part(ck, p);
        ck->all->done = 1;
        /* Destructors of the module run, leak checkers report. */
        exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        return false;
    }
    ck->all->quiet = 0;
    if (status != 0 || !ck->all->done) {
        if (ck->all->done) {
            findings_doing(ck->all, "the exit of the process");
        }
        blame(ck, status);
    }
    return true;
}

static bool run_lives(const struct check *ck)
{
    static const uint32_t scopes[] = { PST_SCOPE_LISTENER, PST_SCOPE_EDGE };
    bool old = ck->all->minor_needed == 0 && PST_ABI_MINOR > 0;

    for (size_t i = 0; i < 2; i++) {
        uint32_t tried = ck->scopes != 0 ? ck->scopes : ck->all->scopes, before;

        if ((tried & ck->all->scopes & scopes[i]) == 0) {
            continue;
        }
        before = ck->all->n;
        /* What is wrong today is wrong in an old host, too. */
        if (!run_isolated(ck, &(struct part){ scopes[i], false }) ||
            (old && ck->all->n == before && !run_isolated(ck, &(struct part){ scopes[i], true }))) {
            return false;
        }
    }
    return true;
}

static void check_module(struct check *ck)
{
    bool forked = true;

    if (check_file(ck)) {
        forked = run_isolated(ck, &(struct part){ 0, false });
        if (forked && ck->all->scopes != 0) {
            forked = run_lives(ck);
        }
        if (forked && ck->scopes != 0 && ck->all->scopes != 0 &&
            (ck->scopes & ck->all->scopes) == 0) {
            incomplete(ck->all, "scope", "cannot be attached to %s", scope_text(ck->scopes));
        }
    }
    if (!forked) {
        incomplete(ck->all, "system", "no process could be started to run it in");
    }
}

static int usage(void)
{
    fputs(usage_text, stderr);
    return 2;
}

static bool parse_scope(const char *text, uint32_t *scopes)
{
    *scopes = strcmp(text, "listener") == 0 ? PST_SCOPE_LISTENER
              : strcmp(text, "edge") == 0   ? PST_SCOPE_EDGE
                                            : 0;
    return *scopes != 0;
}

int main(int argc, char **argv)
{
    static const struct option longs[] = { { "json", 0, NULL, 'j' },   { "scope", 1, NULL, 's' },
                                           { "config", 1, NULL, 'c' }, { "timeout", 1, NULL, 't' },
                                           { "help", 0, NULL, 'h' },   { "version", 0, NULL, 'V' },
                                           { NULL, 0, NULL, 0 } };
    struct check ck = { .all = findings_new(), .seconds = PART_SECONDS };
    uint64_t seconds;
    char *path = NULL;
    bool json = false;
    int c, status;

    while ((c = getopt_long(argc, argv, "js:c:t:hV", longs, NULL)) != -1) {
        if (c == 'h') {
            fputs(usage_text, stdout);
            return 0;
        } else if (c == 'V') {
            printf("postern-module-check %s, module interface %d.%d\n", PACKAGE_VERSION,
                   PST_ABI_MAJOR, PST_ABI_MINOR);
            return 0;
        } else if (c == 'j') {
            json = true;
        } else if (c == 'c') {
            ck.snippet = optarg;
        } else if (c == 't' && str_to_u64(optarg, SECONDS_MAX, &seconds) == 0) {
            ck.seconds = (unsigned)seconds;
        } else if (c != 's' || !parse_scope(optarg, &ck.scopes)) {
            return usage();
        }
    }
    if (optind >= argc || ck.all == NULL) {
        return usage();
    }
    ck.set = argv + optind + 1;
    ck.n_set = (size_t)(argc - optind - 1);
    for (size_t i = 0; i < ck.n_set; i++) {
        if (strchr(ck.set[i], '=') == NULL) {
            return usage();
        }
    }
    path = realpath(argv[optind], NULL);
    ck.path = path != NULL ? path : argv[optind];
    check_module(&ck);
    if (json) {
        findings_print_json(ck.all, argv[optind]);
    } else {
        findings_print_text(ck.all, argv[optind]);
    }
    status = findings_status(ck.all);
    check_file_free(&ck);
    free(path);
    return status;
}
