/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One setting to one value, strictly typed. */
#include "core/config/conf_priv.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/base/addr.h"
#include "core/base/err.h"
#include "core/base/str.h"

static bool is_integer(const config_setting_t *s)
{
    return config_setting_type(s) == CONFIG_TYPE_INT || config_setting_type(s) == CONFIG_TYPE_INT64;
}

bool conf_value_str(struct conf_priv *p, const config_setting_t *s, const char **out)
{
    if (config_setting_type(s) != CONFIG_TYPE_STRING) {
        return conf_wrong_type(p, s, "a string");
    }
    *out = config_setting_get_string(s);
    return true;
}

bool conf_value_bool(struct conf_priv *p, const config_setting_t *s, bool *out)
{
    if (config_setting_type(s) != CONFIG_TYPE_BOOL) {
        return conf_wrong_type(p, s, "true or false");
    }
    *out = config_setting_get_bool(s) != 0;
    return true;
}

bool conf_value_u64(struct conf_priv *p, const config_setting_t *s, uint64_t min, uint64_t max,
                    uint64_t *out)
{
    long long v;

    if (!is_integer(s)) {
        return conf_wrong_type(p, s, "an integer");
    }
    v = config_setting_get_int64(s);
    if (v < 0 || (uint64_t)v < min || (max != 0 && (uint64_t)v > max)) {
        if (max != 0) {
            conf_fail(p, s, "%lld is out of range: %" PRIu64 " to %" PRIu64, v, min, max);
        } else {
            conf_fail(p, s, "%lld is out of range: at least %" PRIu64, v, min);
        }
        return false;
    }
    *out = (uint64_t)v;
    return true;
}

const char *conf_ms_text(uint64_t ms, char out[32])
{
    static const struct {
        uint64_t ms;
        const char *unit;
    } units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" } };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (ms != 0 && ms % units[i].ms == 0) {
            snprintf(out, 32, "%" PRIu64 "%s", ms / units[i].ms, units[i].unit);
            return out;
        }
    }
    snprintf(out, 32, "%" PRIu64 "ms", ms);
    return out;
}

bool conf_value_ms(struct conf_priv *p, const config_setting_t *s, uint64_t min, uint64_t max,
                   uint64_t *out)
{
    char low[32], high[32];
    const char *z;

    if (is_integer(s)) {
        conf_fail(p, s,
                  "expected a duration, found an integer; durations are strings with a unit: "
                  "\"%llds\"",
                  config_setting_get_int64(s));
        return false;
    }
    if (config_setting_type(s) != CONFIG_TYPE_STRING) {
        return conf_wrong_type(p, s, "a duration such as \"3s\"");
    }
    z = config_setting_get_string(s);
    if (str_to_ms(z, out) != 0) {
        conf_fail(p, s, "\"%s\" is not a duration; write a number with ms, s, m, h or d: \"3s\"",
                  z);
        return false;
    }
    if (*out < min || (max != 0 && *out > max)) {
        if (max != 0) {
            conf_fail(p, s, "\"%s\" is out of range: %s to %s", z, conf_ms_text(min, low),
                      conf_ms_text(max, high));
        } else {
            conf_fail(p, s, "\"%s\" is out of range: at least %s", z, conf_ms_text(min, low));
        }
        return false;
    }
    return true;
}

bool conf_value_size(struct conf_priv *p, const config_setting_t *s, uint64_t min, uint64_t max,
                     uint64_t *out)
{
    const char *z;

    if (is_integer(s)) {
        return conf_value_u64(p, s, min, max, out);
    }
    if (config_setting_type(s) != CONFIG_TYPE_STRING) {
        return conf_wrong_type(p, s, "a size such as 4096 or \"64k\"");
    }
    z = config_setting_get_string(s);
    if (str_to_size(z, out) != 0) {
        conf_fail(p, s, "\"%s\" is not a size; write bytes or a number with k, m or g: \"64k\"", z);
        return false;
    }
    if (*out < min || (max != 0 && *out > max)) {
        if (max != 0) {
            conf_fail(p, s, "\"%s\" is out of range: %" PRIu64 " to %" PRIu64 " bytes", z, min,
                      max);
        } else {
            conf_fail(p, s, "\"%s\" is out of range: at least %" PRIu64 " bytes", z, min);
        }
        return false;
    }
    return true;
}

bool conf_value_net(struct conf_priv *p, const config_setting_t *s, struct pst_net *out)
{
    char meant[ADDR_TEXT_MAX];
    const char *z;
    int rc;

    if (config_setting_type(s) != CONFIG_TYPE_STRING) {
        return conf_wrong_type(p, s, "a network such as \"10.0.0.0/8\"");
    }
    z = config_setting_get_string(s);
    rc = addr_parse_net(z, out);
    if (rc == ERR_EXISTS) {
        conf_fail(p, s, "\"%s\" has host bits set; did you mean %s?", z, addr_net_text(out, meant));
    } else if (rc != 0) {
        conf_fail(p, s,
                  "\"%s\" is not a network; write \"10.0.0.0/8\", \"2001:db8::/32\" or one "
                  "address",
                  z);
    }
    return rc == 0;
}

const char *conf_path_from(struct conf_priv *p, const config_setting_t *s, const char *text)
{
    const char *file = config_setting_source_file(s) != NULL ? config_setting_source_file(s) : "";
    const char *slash = strrchr(file, '/');
    const char *base = file[0] == '/' ? "" : p->cwd, *join = base[0] != '\0' ? "/" : "";
    int dir_n = slash != NULL ? (int)(slash - file) + 1 : 0;
    size_t need = strlen(base) + 1 + (size_t)dir_n + strlen(text) + 1;
    char *joined;

    if (text[0] == '/') {
        return arena_strndup(&p->arena, text, strlen(text));
    }
    joined = arena_alloc(&p->arena, need);
    if (joined != NULL) {
        snprintf(joined, need, "%s%s%.*s%s", base, join, dir_n, file, text);
    }
    return joined;
}

bool conf_value_path(struct conf_priv *p, const config_setting_t *s, const char **out)
{
    const char *z;

    if (config_setting_type(s) != CONFIG_TYPE_STRING) {
        return conf_wrong_type(p, s, "a file name");
    }
    z = config_setting_get_string(s);
    if (z[0] == '\0') {
        conf_fail(p, s, "a file name cannot be empty");
        return false;
    }
    if (strlen(z) >= PATH_MAX) {
        conf_fail(p, s, "the file name is too long");
        return false;
    }
    *out = conf_path_from(p, s, z);
    return *out != NULL || conf_nomem(p);
}

/* libconfig has no octal numbers, so a mode is a string of octal digits. */
bool conf_value_mode(struct conf_priv *p, const config_setting_t *s, uint32_t most, uint32_t *out)
{
    const char *z;
    uint32_t mode = 0;

    if (config_setting_type(s) != CONFIG_TYPE_STRING) {
        return conf_wrong_type(p, s, "an octal mode in quotes such as \"0660\"");
    }
    z = config_setting_get_string(s);
    if (z[0] == '\0' || strlen(z) > 4 || strspn(z, "01234567") != strlen(z)) {
        conf_fail(p, s, "\"%s\" is not an octal mode; write \"0660\"", z);
        return false;
    }
    for (; *z != '\0'; z++) {
        mode = mode * 8 + (uint32_t)(*z - '0');
    }
    if (mode > 0777) {
        conf_fail(p, s, "only permission bits are allowed: \"0000\" to \"0777\"");
        return false;
    }
    if ((mode & ~most) != 0) {
        conf_fail(p, s, "only the owner and the group can be let in: at most \"%04o\"", most);
        return false;
    }
    *out = mode;
    return true;
}

/* The nearest of "a|b|c" to what was given, NULL: none is near. n gets its length. */
static const char *nearest_choice(const char *given, const char *choices, size_t *n)
{
    const char *found = NULL;
    unsigned best = UINT_MAX;

    for (const char *c = choices; c != NULL; c = strchr(c, '|')) {
        char one[64];
        size_t len;

        c += c != choices ? 1 : 0;
        len = strcspn(c, "|");
        if (len < sizeof(one)) {
            memcpy(one, c, len);
            one[len] = '\0';
            if (conf_near(given, one, &best)) {
                found = c;
                *n = len;
            }
        }
    }
    return found;
}

bool conf_choice_find(const char *choices, const char *word, unsigned *index)
{
    *index = 0;
    for (const char *c = choices; c != NULL; c = strchr(c, '|'), (*index)++) {
        c += c != choices ? 1 : 0;
        if (strlen(word) == strcspn(c, "|") && memcmp(word, c, strlen(word)) == 0) {
            return true;
        }
    }
    return false;
}

bool conf_value_choice(struct conf_priv *p, const config_setting_t *s, const char *choices,
                       unsigned *index)
{
    const char *z = NULL, *near;
    size_t n = 0;

    if (!conf_value_str(p, s, &z)) {
        return false;
    }
    if (conf_choice_find(choices, z, index)) {
        return true;
    }
    near = nearest_choice(z, choices, &n);
    if (near != NULL) {
        conf_fail(p, s, "\"%s\" is not one of %s; did you mean \"%.*s\"?", z, choices, (int)n,
                  near);
    } else {
        conf_fail(p, s, "\"%s\" is not one of %s", z, choices);
    }
    return false;
}
