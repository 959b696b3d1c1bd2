/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kit/check/check.h"

#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct pst_option *find_option(const struct pst_module *d, const char *name, size_t n)
{
    for (uint32_t i = 0; i < d->n_options; i++) {
        const struct pst_option *o =
            (const struct pst_option *)(const void *)((const char *)d->options +
                                                      (size_t)i * d->option_size);

        if (strlen(o->name) == n && memcmp(o->name, name, n) == 0) {
            return o;
        }
    }
    return NULL;
}

/* True when libconfig takes the value as it stands. */
static bool stands_alone(const struct pst_option *o, const char *value)
{
    if (value[0] == '"' || value[0] == '[' || value[0] == '(' || value[0] == '{') {
        return true;
    }
    if (o == NULL || (o->flags & PST_OPT_LIST) != 0) {
        return false;
    }
    if (o->type == PST_OPT_BOOL) {
        return strcmp(value, "true") == 0 || strcmp(value, "false") == 0;
    }
    return (o->type == PST_OPT_U64 || o->type == PST_OPT_SIZE) && value[0] != '\0' &&
           strspn(value, "0123456789") == strlen(value);
}

static void put_quoted(FILE *f, const char *value)
{
    putc('"', f);
    for (; *value != '\0'; value++) {
        if (*value == '"' || *value == '\\') {
            putc('\\', f);
        }
        putc(*value, f);
    }
    putc('"', f);
}

static void put_setting(FILE *f, const struct pst_module *d, const char *set)
{
    const char *value = strchr(set, '=');
    const struct pst_option *o = find_option(d, set, (size_t)(value - set));
    bool list = o != NULL && (o->flags & PST_OPT_LIST) != 0 && value[1] != '[' && value[1] != '(';

    fprintf(f, "%.*s = %s", (int)(value - set), set, list ? "[ " : "");
    if (stands_alone(o, value + 1)) {
        fputs(value + 1, f);
    } else {
        put_quoted(f, value + 1);
    }
    fprintf(f, "%s;\n", list ? " ]" : "");
}

char *config_entry(const struct check *ck, const struct pst_module *d)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);

    if (f == NULL) {
        abort();
    }
    if (ck->snippet != NULL) {
        fprintf(f, "%s\n", ck->snippet);
    }
    for (size_t i = 0; i < ck->n_set; i++) {
        put_setting(f, d, ck->set[i]);
    }
    fclose(f);
    return text;
}

char *config_replace(const char *text, const char *name, const char *value, bool list)
{
    config_setting_t *root, *s;
    char *out = NULL;
    size_t n = 0;
    FILE *f = NULL;
    config_t conf;

    config_init(&conf);
    if (config_read_string(&conf, text) == CONFIG_TRUE && (f = open_memstream(&out, &n)) != NULL) {
        root = config_root_setting(&conf);
        config_setting_remove(root, name);
        s = config_setting_add(root, name, list ? CONFIG_TYPE_ARRAY : CONFIG_TYPE_STRING);
        if (list) {
            config_setting_set_string_elem(s, -1, value);
        } else {
            config_setting_set_string(s, value);
        }
        config_write(&conf, f);
    }
    if (f != NULL) {
        fclose(f);
    }
    config_destroy(&conf);
    return out;
}
