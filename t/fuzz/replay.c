/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main() of a fuzz target when libFuzzer is not linked in: runs each seed once, so that make check
 * keeps old findings fixed. Seeds are the files of t/fuzz/seeds/<x> for a program called fuzz_<x>,
 * or the files and folders given as arguments. A target without any seed fails.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { SEED_MAX = 1 << 20 };

/* An exact-size heap copy lets the sanitizers see a read past the end. */
static int run_file(const char *path)
{
    uint8_t *all = NULL, *exact = NULL;
    size_t n;
    int rc = -1;
    FILE *f = fopen(path, "rb");

    if (f == NULL) {
        goto out;
}
    all = malloc(SEED_MAX);
    if (all == NULL) {
        goto out;
}
    n = fread(all, 1, SEED_MAX, f);
    if (ferror(f) || !feof(f)) {
        goto out;
}
    exact = malloc(n > 0 ? n : 1);
    if (exact == NULL) {
        goto out;
}
    memcpy(exact, all, n);
    LLVMFuzzerTestOneInput(exact, n);
    rc = 0;
out:
    if (rc != 0) {
        fprintf(stderr, "%s: %s\n", path, errno != 0 ? strerror(errno) : "too large for a seed");
}
    free(exact);
    free(all);
    if (f != NULL) {
        fclose(f);
}
    return rc;
}

/* Runs a file, or every file of a folder, and counts them in *runs. */
static int run_path(const char *path, unsigned *runs)
{
    struct stat st;
    struct dirent *e;
    int rc = 0;
    DIR *d;

    if (stat(path, &st) != 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    if (!S_ISDIR(st.st_mode)) {
        (*runs)++;
        return run_file(path);
    }
    d = opendir(path);
    if (d == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    while ((e = readdir(d)) != NULL) {
        char file[PATH_MAX];

        if (e->d_name[0] == '.') {
            continue;
}
        if (snprintf(file, sizeof(file), "%s/%s", path, e->d_name) >= (int)sizeof(file) ||
            run_path(file, runs) != 0) {
            rc = -1;
}
    }
    closedir(d);
    return rc;
}

int main(int argc, char **argv)
{
    unsigned runs = 0;
    int rc = 0;

    if (argc > 1) {
        for (int i = 1; i < argc; i++) {
            if (run_path(argv[i], &runs) != 0) {
                rc = 1;
}
}
    } else {
        const char *top = getenv("top_srcdir");
        const char *name = strstr(argv[0], "fuzz_");
        const char *next;
        char dir[PATH_MAX];

        while (name != NULL && (next = strstr(name + 1, "fuzz_")) != NULL) {
            name = next;
}
        if (name == NULL) {
            fprintf(stderr, "usage: %s FILE|FOLDER...\n", argv[0]);
            return 2;
        }
        if (snprintf(dir, sizeof(dir), "%s/t/fuzz/seeds/%s", top != NULL ? top : ".",
                     name + strlen("fuzz_")) >= (int)sizeof(dir) ||
            run_path(dir, &runs) != 0) {
            rc = 1;
}
    }
    if (runs == 0) {
        fprintf(stderr, "%s: no seeds\n", argv[0]);
        rc = 1;
    }
    printf("%u seeds\n", runs);
    return rc;
}
