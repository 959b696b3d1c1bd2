/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/server/opts.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>

#include "core/server/version.h"

static void usage(FILE *out)
{
    fputs(
        "Usage: postern [-c FILE] [-t] [-v]\n"
        "       postern -V [-c FILE]\n"
        "       postern -O MODULE [-c FILE]\n"
        "       postern -h\n"
        "\n"
        "  -c, --config FILE   configuration (default " POSTERN_SYSCONFDIR
        "/postern/postern.conf)\n"
        "  -t, --test          check the configuration and exit: 0 good, 1 bad\n"
        "  -v, --verbose       with -t: print the plan of every listener and edge;\n"
        "                      without: one log level more\n"
        "  -V, --version       print versions, paths and the modules installed, and exit\n"
        "  -O, --options MODULE\n"
        "                      print the options that a module takes, and exit; a name, or the\n"
        "                      path of a file; " CORE_OPTIONS ": the keys of the core\n"
        "  -h, --help          print this and exit\n"
        "\n"
        "Postern runs in the foreground. HUP reloads, USR1 reopens logs, USR2 upgrades, TERM and\n"
        "INT drain and stop, a second one stops at once. See postern(8) and postern.conf(5).\n",
        out);
}

int opts_parse(int argc, char **argv, struct opts *o)
{
    static const struct option longs[] = {
        { "config", required_argument, NULL, 'c' },
        { "test", no_argument, NULL, 't' },
        { "verbose", no_argument, NULL, 'v' },
        { "version", no_argument, NULL, 'V' },
        { "help", no_argument, NULL, 'h' },
        { "options", required_argument, NULL, 'O' },
        { NULL, 0, NULL, 0 },
    };
    const char *module = NULL;
    bool show_version = false;
    int c;

    *o = (struct opts){ .argv = argv };
    while ((c = getopt_long(argc, argv, "c:tvVhO:", longs, NULL)) != -1) {
        switch (c) {
        case 'c':
            o->conf = optarg;
            break;
        case 't':
            o->test = true;
            break;
        case 'v':
            o->verbose = true;
            break;
        case 'V':
            show_version = true;
            break;
        case 'O':
            module = optarg;
            break;
        case 'h':
            usage(stdout);
            return EXIT_OK;
        default:
            usage(stderr);
            return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "postern: unexpected argument: %s\n", argv[optind]);
        usage(stderr);
        return EXIT_USAGE;
    }
    if (show_version) {
        return version_print(o->conf);
    }
    if (module != NULL) {
        return options_print(o->conf, module);
    }
    if (o->conf == NULL) {
        o->conf = POSTERN_SYSCONFDIR "/postern/postern.conf";
    }
    return -1;
}
