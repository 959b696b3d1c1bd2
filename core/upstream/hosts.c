/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/upstream/hosts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/addr.h"
#include "core/base/arena.h"
#include "core/base/err.h"
#include "core/base/name.h"
#include "core/base/str.h"

/* One name of one line. */
struct host {
    const char *name;
    size_t order; /* keeps the file's order among equal names */
    struct pst_addr addr;
};

struct hosts {
    char *path;
    struct stat seen; /* of the file when it was read; all zero: it was not there */
    struct arena memory;
    struct host *list; /* sorted by name */
    size_t n, cap;
};

struct hosts *hosts_new(const char *path)
{
    struct hosts *h = calloc(1, sizeof(*h));

    if (!h) {
        return NULL;
    }
    arena_init(&h->memory);
    h->path = str_dup(path, strlen(path));
    if (!h->path) {
        free(h);
        return NULL;
    }
    return h;
}

static void hosts_clear(struct hosts *h)
{
    arena_free(&h->memory);
    free(h->list);
    h->list = NULL;
    h->n = h->cap = 0;
}

void hosts_free(struct hosts *h)
{
    if (!h) {
        return;
    }
    hosts_clear(h);
    free(h->path);
    free(h);
}

static int hosts_add(struct hosts *h, const char *name, const struct pst_addr *addr)
{
    char norm[NAME_MAX_LEN + 1];
    const char *copy = NULL;
    size_t n = 0;

    /* The file may hold names that no configuration can: they are of no use here. */
    if (name_normalise(name, strlen(name), norm, &n) < 0) {
        return ERR_OK;
    }
    if (h->n == h->cap) {
        size_t cap = h->cap ? 2 * h->cap : 16;
        struct host *list = realloc(h->list, cap * sizeof(*list));

        if (!list) {
            return ERR_NOMEM;
        }
        h->list = list;
        h->cap = cap;
    }
    copy = arena_strndup(&h->memory, norm, n);
    if (!copy) {
        return ERR_NOMEM;
    }
    h->list[h->n] = (struct host){ .name = copy, .order = h->n, .addr = *addr };
    h->n++;
    return ERR_OK;
}

static int hosts_add_line(struct hosts *h, char *line)
{
    static const char blank[] = " \t\r\n";
    struct pst_addr addr;
    char *save = NULL, *word = NULL;
    int rc = ERR_OK;

    line[strcspn(line, "#")] = '\0';
    word = strtok_r(line, blank, &save);
    if (!word || addr_parse_ip(word, &addr) < 0) {
        return ERR_OK;
    }
    while (rc == ERR_OK && (word = strtok_r(NULL, blank, &save)) != NULL) {
        rc = hosts_add(h, word, &addr);
    }
    return rc;
}

static int host_compare(const void *a, const void *b)
{
    const struct host *x = a, *y = b;
    int c = strcmp(x->name, y->name);

    return c != 0 ? c : (x->order > y->order) - (x->order < y->order);
}

/* Read the file. Out of memory leaves what there was room for. */
static void hosts_read(struct hosts *h)
{
    FILE *f = fopen(h->path, "re");
    char *line = NULL;
    size_t cap = 0;

    hosts_clear(h);
    if (!f) {
        return;
    }
    while (getline(&line, &cap, f) >= 0) {
        if (hosts_add_line(h, line) < 0) {
            break;
        }
    }
    free(line);
    fclose(f);
    if (h->n > 0) {
        qsort(h->list, h->n, sizeof(h->list[0]), host_compare);
    }
}

static void hosts_refresh(struct hosts *h)
{
    struct stat st;

    if (stat(h->path, &st) < 0) {
        memset(&st, 0, sizeof(st));
    }
    if (st.st_ino != h->seen.st_ino || st.st_size != h->seen.st_size ||
        st.st_mtim.tv_sec != h->seen.st_mtim.tv_sec ||
        st.st_mtim.tv_nsec != h->seen.st_mtim.tv_nsec) {
        h->seen = st;
        hosts_read(h);
    }
}

size_t hosts_find(struct hosts *h, const char *name, struct pst_addr *out, size_t cap)
{
    size_t low = 0, high = 0, n = 0;

    hosts_refresh(h);
    high = h->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (strcmp(h->list[mid].name, name) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    for (; low < h->n && n < cap && strcmp(h->list[low].name, name) == 0; low++) {
        out[n++] = h->list[low].addr;
    }
    return n;
}
