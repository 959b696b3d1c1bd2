/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Prints a ClientHello as bytes:
 *     hello_gen --sni a.test --alpn h2,http/1.1 --size 4096 --record 50 | nc 127.0.0.1 4433
 * Exit status 2: the options make no sense.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/tools/hello_build.h"

struct options {
    struct hello_spec hello;
    char *sni;
    size_t record, first;
    bool zero_fragment;
};

enum {
    OPT_SNI = 1,
    OPT_NO_SNI,
    OPT_ALPN,
    OPT_SIZE,
    OPT_RECORD,
    OPT_FIRST,
    OPT_ZERO_FRAGMENT,
    OPT_TWO_NAMES,
    OPT_DUPLICATE_SNI,
    OPT_TLS12,
    OPT_GROUP_BYTES,
    OPT_RANDOM_FILL,
    OPT_NO_EXTENSIONS
};

static const struct option known[] = {
    { "sni", required_argument, NULL, OPT_SNI },
    { "no-sni", no_argument, NULL, OPT_NO_SNI },
    { "alpn", required_argument, NULL, OPT_ALPN },
    { "size", required_argument, NULL, OPT_SIZE },
    { "record", required_argument, NULL, OPT_RECORD },
    { "first", required_argument, NULL, OPT_FIRST },
    { "zero-fragment", no_argument, NULL, OPT_ZERO_FRAGMENT },
    { "two-names", no_argument, NULL, OPT_TWO_NAMES },
    { "duplicate-sni", no_argument, NULL, OPT_DUPLICATE_SNI },
    { "tls12", no_argument, NULL, OPT_TLS12 },
    { "group-bytes", required_argument, NULL, OPT_GROUP_BYTES },
    { "random-fill", required_argument, NULL, OPT_RANDOM_FILL },
    { "no-extensions", no_argument, NULL, OPT_NO_EXTENSIONS },
    { 0 },
};

static size_t number(const char *z, size_t max)
{
    char *end;
    unsigned long v = strtoul(z, &end, 10);

    if (*z < '0' || *z > '9' || *end != '\0' || v > max) {
        fprintf(stderr, "hello_gen: \"%s\" is no number from 0 to %zu\n", z, max);
        exit(2);
    }
    return v;
}

/* A copy of z with \xNN turned into bytes; *n is its length. */
static char *unescape(const char *z, size_t *n)
{
    char *out = malloc(strlen(z) + 1);
    unsigned byte;

    if (!out) {
        abort();
    }
    for (*n = 0; *z != '\0'; (*n)++) {
        if (strncmp(z, "\\x", 2) == 0 && sscanf(z + 2, "%2x", &byte) == 1 && z[2] && z[3]) {
            out[*n] = (char)byte;
            z += 4;
        } else {
            out[*n] = *z++;
        }
    }
    return out;
}

static void take_option(struct options *o, int opt)
{
    switch (opt) {
    case OPT_SNI:
        free(o->sni);
        o->sni = unescape(optarg, &o->hello.sni_n);
        o->hello.sni = o->sni;
        break;
    case OPT_NO_SNI:
        o->hello.sni = NULL;
        break;
    case OPT_ALPN:
        o->hello.alpn = optarg;
        break;
    case OPT_SIZE:
        o->hello.size = number(optarg, 70000);
        break;
    case OPT_RECORD:
        o->record = number(optarg, 16384);
        break;
    case OPT_FIRST:
        o->first = number(optarg, 16384);
        break;
    case OPT_ZERO_FRAGMENT:
        o->zero_fragment = true;
        break;
    case OPT_TWO_NAMES:
        o->hello.two_names = true;
        break;
    case OPT_DUPLICATE_SNI:
        o->hello.duplicate_sni = true;
        break;
    case OPT_TLS12:
        o->hello.tls12 = true;
        break;
    case OPT_GROUP_BYTES:
        o->hello.group_bytes = number(optarg, 60000);
        break;
    case OPT_RANDOM_FILL:
        o->hello.seed = (uint32_t)number(optarg, UINT32_MAX);
        break;
    case OPT_NO_EXTENSIONS:
        o->hello.no_extensions = true;
        break;
    default:
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct options o = { .hello = { .sni = "a.test", .sni_n = 6 } };
    struct bytes message = { 0 }, wire = { 0 };
    int opt;

    while ((opt = getopt_long(argc, argv, "", known, NULL)) != -1) {
        take_option(&o, opt);
    }
    if (optind != argc) {
        fprintf(stderr, "hello_gen: options only\n");
        return 2;
    }
    if (!hello_message(&message, &o.hello)) {
        fprintf(stderr, "hello_gen: such a hello has more than %zu bytes\n", o.hello.size);
        return 2;
    }
    hello_records(&wire, message.p, message.n, o.first, o.record, o.zero_fragment);
    size_t done = fwrite(wire.p, 1, wire.n, stdout);
    bool ok = done == wire.n && fflush(stdout) == 0;
    bytes_free(&message);
    bytes_free(&wire);
    free(o.sni);
    return ok ? 0 : 1;
}
