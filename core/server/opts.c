/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/server/opts.h"

#include <event2/event.h>
#include <getopt.h>
#include <libconfig.h>
#include <stdio.h>

#include "config.h"
#include "plugin-api/postern_module.h"

static void usage(FILE *out)
{
    fputs("Usage: postern [-c FILE] [-t] [-v]\n"
          "       postern -V | -h\n"
          "\n"
          "  -c, --config FILE   configuration (default " POSTERN_SYSCONFDIR "/postern/postern.conf)\n"
          "  -t, --test          check the configuration and exit: 0 good, 1 bad\n"
          "  -v, --verbose       with -t: print the plan of every listener and edge;\n"
          "                      without: one log level more\n"
          "  -V, --version       print versions and paths and exit\n"
          "  -h, --help          print this and exit\n"
          "\n"
          "Postern runs in the foreground. HUP reloads, USR1 reopens logs, TERM and INT drain and\n"
          "stop, a second one stops at once. See postern(8) and postern.conf(5).\n",
          out);
}

static void version(void)
{
    printf("postern %s\n", PACKAGE_VERSION);
    printf("module ABI:  %d.%d\n", PST_ABI_MAJOR, PST_ABI_MINOR);
    printf("modules:     %s\n", POSTERN_MODULE_DIR);
    printf("config:      %s/postern/postern.conf\n", POSTERN_SYSCONFDIR);
    printf("libevent:    %s (built with %s)\n", event_get_version(), LIBEVENT_VERSION);
    printf("libconfig:   %d.%d.%d\n", LIBCONFIG_VER_MAJOR, LIBCONFIG_VER_MINOR,
           LIBCONFIG_VER_REVISION);
#if defined(__VERSION__)
    printf("compiler:    %s\n", __VERSION__);
#endif
}

int opts_parse(int argc, char **argv, struct opts *o)
{
    static const struct option longs[] = {
        { "config", required_argument, NULL, 'c' }, { "test", no_argument, NULL, 't' },
        { "verbose", no_argument, NULL, 'v' },      { "version", no_argument, NULL, 'V' },
        { "help", no_argument, NULL, 'h' },         { NULL, 0, NULL, 0 },
    };
    int c;

    *o = (struct opts){ .conf = POSTERN_SYSCONFDIR "/postern/postern.conf" };
    while ((c = getopt_long(argc, argv, "c:tvVh", longs, NULL)) != -1) {
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
            version();
            return EXIT_OK;
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
    return -1;
}
