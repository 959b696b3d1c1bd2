/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/ctl/show.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/base/str.h"
#include "core/ctl/row.h"
#include "core/ctl/table.h"

struct show {
    const struct form *form;
    struct table *table; /* of forms with columns */
    bool progress;       /* a line that is to be written over is on the terminal */
};

/* How a command's reply is shown: as a table, by a function, or not at all. */
struct form {
    const char *command;
    const struct column *columns;
    void (*row)(struct show *s, const struct row *r);
};

static const struct column edges[] = {
    { "EDGE", "edge", CELL_TEXT },       { "NOW", "connections", CELL_NUMBER },
    { "TOTAL", "total", CELL_NUMBER },   { "IN", "bytes_in", CELL_BYTES },
    { "OUT", "bytes_out", CELL_BYTES },  { "TARGETS", "targets", CELL_NUMBER },
    { "UP", "targets_up", CELL_NUMBER }, { "DOMAINS", "domains", CELL_TEXT },
    { NULL, NULL, CELL_TEXT },
};
static const struct column upstreams[] = {
    { "EDGE", "edge", CELL_TEXT },     { "TARGET", "target", CELL_TEXT },
    { "STATE", "state", CELL_TEXT },   { "NOW", "active", CELL_NUMBER },
    { "OK", "connects", CELL_NUMBER }, { "FAILED", "failures", CELL_NUMBER },
    { "OUT FOR", "down_ms", CELL_MS }, { "WEIGHT", "weight", CELL_NUMBER },
    { "BACKUP", "backup", CELL_YES },  { NULL, NULL, CELL_TEXT },
};
static const struct column modules[] = {
    { "MODULE", "module", CELL_TEXT },
    { "VERSION", "version", CELL_TEXT },
    { "CHANGED", "changed_on_disk", CELL_YES },
    { "FILE", "path", CELL_TEXT },
    { NULL, NULL, CELL_TEXT },
};
static const struct column connections[] = {
    { "ID", "id", CELL_NUMBER },      { "CLIENT", "client", CELL_TEXT },
    { "SNI", "sni", CELL_TEXT },      { "EDGE", "edge", CELL_TEXT },
    { "STATE", "state", CELL_TEXT },  { "UPSTREAM", "upstream", CELL_TEXT },
    { "IN", "bytes_in", CELL_BYTES }, { "OUT", "bytes_out", CELL_BYTES },
    { "AGE", "age_ms", CELL_MS },     { NULL, NULL, CELL_TEXT },
};

static const char *text(const struct row *r, const char *key)
{
    const char *v = row_get(r, key);

    return v == NULL || v[0] == '\0' ? "-" : v;
}

static void status_row(struct show *s, const struct row *r)
{
    (void)s;
    for (size_t i = 0; i < r->n; i++) {
        printf("%-18s %s\n", r->field[i].key, r->field[i].value);
    }
}

static void plan_row(struct show *s, const struct row *r)
{
    bool listener = row_get(r, "listener") != NULL;
    const char *not = row_get(r, "not_enforced");

    (void)s;
    printf("%-8s  %-20s  %-18s  %s%s%s%s\n", listener ? "listener" : "edge",
           text(r, listener ? "listener" : "edge"), text(r, "stage"), text(r, "modules"),
           not != NULL && not [0] != '\0' ? " (not enforced: " : "",
           not != NULL && not [0] != '\0' ? not : "", not != NULL && not [0] != '\0' ? ")" : "");
}

static void metrics_row(struct show *s, const struct row *r)
{
    const char *family = row_get(r, "family"), *labels = row_get(r, "labels");

    (void)s;
    if (family != NULL) {
        printf("# HELP %s %s\n# TYPE %s %s\n", family, text(r, "help"), family, text(r, "type"));
    } else if (labels != NULL && labels[0] != '\0') {
        printf("%s{%s} %s\n", text(r, "name"), labels, text(r, "value"));
    } else {
        printf("%s %s\n", text(r, "name"), text(r, "value"));
    }
}

static void reload_row(struct show *s, const struct row *r)
{
    const char *problem = row_get(r, "problem");

    (void)s;
    if (problem != NULL) {
        (void)fprintf(stderr, "posternctl: %s: %s\n", problem, text(r, "text"));
    } else {
        printf("generation %s is in force\n", text(r, "generation"));
    }
}

static void upgrade_row(struct show *s, const struct row *r)
{
    const char *problem = row_get(r, "problem");

    (void)s;
    if (problem != NULL) {
        (void)fprintf(stderr, "posternctl: the new process says: %s\n", text(r, "text"));
    } else {
        printf("process %s serves\n", text(r, "pid"));
    }
}

/* How far it is, on one line when somebody watches. */
static void end_row(struct show *s, const struct row *r)
{
    if (isatty(STDOUT_FILENO)) {
        printf("\r%s connections left\033[K", text(r, "connections"));
        (void)fflush(stdout);
        s->progress = true;
    }
}

static void kill_row(struct show *s, const struct row *r)
{
    (void)s;
    printf("%s ended\n", text(r, "killed"));
}

static void level_row(struct show *s, const struct row *r)
{
    (void)s;
    puts(text(r, "level"));
}

static void events_row(struct show *s, const struct row *r)
{
    uint64_t us = 0;
    char when[16] = "-", in[32], out[32], age[32];
    const char *end = row_get(r, "end_us"), *lost = row_get(r, "lost");
    const char *code = row_get(r, "code");
    struct tm tm;
    time_t t;

    (void)s;
    if (row_get(r, "following") != NULL) {
        return;
    }
    if (lost != NULL) {
        printf("... %s not shown\n", lost);
        return;
    }
    if (end != NULL && str_to_u64(end, UINT64_MAX, &us) == ERR_OK) {
        t = (time_t)(us / 1000000);
        if (localtime_r(&t, &tm) != NULL) {
            (void)strftime(when, sizeof(when), "%H:%M:%S", &tm);
        }
    }
    printf("%s  %-21s  %-24s  %-12s  %-10s  %s%s%s  in %s out %s  %s\n", when, text(r, "client"),
           text(r, "sni"), text(r, "edge"), text(r, "outcome"), text(r, "reason"),
           code == NULL ? "" : "/", code == NULL ? "" : code,
           cell_text(CELL_BYTES, row_get(r, "bytes_in"), in, sizeof(in)),
           cell_text(CELL_BYTES, row_get(r, "bytes_out"), out, sizeof(out)),
           cell_text(CELL_MS, row_get(r, "age_ms"), age, sizeof(age)));
    (void)fflush(stdout);
}

static const struct form forms[] = {
    { "status", NULL, status_row },
    { "reload", NULL, reload_row },
    { "reopen", NULL, NULL },
    { "upgrade", NULL, upgrade_row },
    { "drain", NULL, end_row },
    { "stop", NULL, end_row },
    { "plan", NULL, plan_row },
    { "edges", edges, NULL },
    { "upstreams", upstreams, NULL },
    { "modules", modules, NULL },
    { "connections", connections, NULL },
    { "kill", NULL, kill_row },
    { "events", NULL, events_row },
    { "metrics", NULL, metrics_row },
    { "log-level", NULL, level_row },
};

struct show *show_new(const char *command)
{
    struct show *s = calloc(1, sizeof(*s));
    size_t i = 0;

    if (s == NULL) {
        return NULL;
    }
    while (strcmp(forms[i].command, command) != 0) {
        i++;
    }
    s->form = &forms[i];
    if (s->form->columns != NULL) {
        s->table = table_new(s->form->columns, stdout);
        if (s->table == NULL) {
            free(s);
            return NULL;
        }
    }
    return s;
}

int show_row(struct show *s, const struct row *r)
{
    if (s->table != NULL) {
        return table_add(s->table, r);
    }
    if (s->form->row != NULL) {
        s->form->row(s, r);
    }
    return ERR_OK;
}

void show_end(struct show *s, bool ok)
{
    if (s->progress) {
        (void)fputs("\r\033[K", stdout);
    }
    if (s->table != NULL && ok) {
        table_flush(s->table);
    }
    if (ok && s->form->row == end_row) {
        puts("the daemon has ended");
    }
}

void show_free(struct show *s)
{
    if (s != NULL) {
        table_free(s->table);
        free(s);
    }
}
