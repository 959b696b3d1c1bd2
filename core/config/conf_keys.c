/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Groups with a fixed set of keys, read by a table. */
#include "core/config/conf_priv.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "core/base/str.h"

/* No table has more keys. */
#define KEYS_MAX 32

static bool read_one(struct conf_priv *p, const config_setting_t *s, const struct conf_key *k,
                     void *base)
{
    void *at = (char *)base + k->offset;
    uint64_t number;
    unsigned index;

    if (k->fn != NULL) {
        return k->fn(p, s, base);
    }
    switch (k->o.type) {
    case PST_OPT_STR:
        if (k->o.choices != NULL) {
            if (!conf_value_choice(p, s, k->o.choices, &index)) {
                return false;
            }
            memcpy(at, &index, sizeof(index));
            return true;
        }
        if (!conf_value_str(p, s, at)) {
            return false;
        }
        if (**(const char **)at == '\0') {
            conf_fail(p, s, "cannot be empty");
            return false;
        }
        return true;
    case PST_OPT_PATH:
        return conf_value_path(p, s, at);
    case PST_OPT_BOOL:
        return conf_value_bool(p, s, at);
    case PST_OPT_U64:
        if (!conf_value_u64(p, s, k->o.min, k->o.max, &number)) {
            return false;
        }
        *(uint32_t *)at = (uint32_t)number;
        return true;
    case PST_OPT_DURATION:
        return conf_value_ms(p, s, k->o.min, k->o.max, at);
    default:
        assert(false);
        return false;
    }
}

static void default_one(const struct conf_key *k, void *at)
{
    uint64_t number = 0;
    unsigned index = 0;

    switch (k->o.type) {
    case PST_OPT_STR:
        (void)conf_choice_find(k->o.choices, k->o.def, &index);
        memcpy(at, &index, sizeof(index));
        break;
    case PST_OPT_BOOL:
        *(bool *)at = strcmp(k->o.def, "true") == 0;
        break;
    case PST_OPT_U64:
        (void)str_to_u64(k->o.def, UINT32_MAX, &number);
        *(uint32_t *)at = (uint32_t)number;
        break;
    case PST_OPT_DURATION:
        (void)str_to_ms(k->o.def, at);
        break;
    default:
        assert(false);
    }
}

void conf_keys_default(const struct conf_key *keys, size_t n, void *base)
{
    for (size_t i = 0; i < n; i++) {
        if (keys[i].fn == NULL && keys[i].o.def != NULL) {
            default_one(&keys[i], (char *)base + keys[i].offset);
        }
    }
}

static void unknown_key(struct conf_priv *p, const config_setting_t *s, const struct conf_key *keys,
                        size_t n)
{
    const char *near = NULL;
    unsigned best = UINT_MAX;

    for (size_t i = 0; i < n; i++) {
        if (conf_near(config_setting_name(s), keys[i].o.name, &best)) {
            near = keys[i].o.name;
        }
    }
    if (near != NULL) {
        conf_fail(p, s, "unknown key; did you mean \"%s\"?", near);
    } else {
        conf_fail(p, s, "unknown key");
    }
}

static bool read_members(struct conf_priv *p, const config_setting_t *s,
                         const struct conf_key *keys, size_t n, void *base, bool others)
{
    bool seen[KEYS_MAX] = { false };
    int members;

    assert(n <= KEYS_MAX);
    if (config_setting_type(s) != CONFIG_TYPE_GROUP) {
        return conf_wrong_type(p, s, "a group");
    }
    members = config_setting_length(s);
    for (int i = 0; i < members; i++) {
        const config_setting_t *member = config_setting_get_elem(s, (unsigned)i);
        size_t k = 0;

        while (k < n && strcmp(keys[k].o.name, config_setting_name(member)) != 0) {
            k++;
        }
        if (k == n) {
            if (!others) {
                unknown_key(p, member, keys, n);
            }
            continue;
        }
        seen[k] = true;
        read_one(p, member, &keys[k], base);
    }
    for (size_t k = 0; k < n; k++) {
        if ((keys[k].o.flags & PST_OPT_REQUIRED) != 0 && !seen[k]) {
            conf_fail(p, s, "\"%s\" is missing", keys[k].o.name);
        }
    }
    return true;
}

bool conf_keys_read(struct conf_priv *p, const config_setting_t *s, const struct conf_key *keys,
                    size_t n, void *base)
{
    return read_members(p, s, keys, n, base, false);
}

bool conf_keys_read_own(struct conf_priv *p, const config_setting_t *s, const struct conf_key *keys,
                        size_t n, void *base)
{
    return read_members(p, s, keys, n, base, true);
}

bool conf_want_list(struct conf_priv *p, const config_setting_t *s)
{
    if (config_setting_type(s) == CONFIG_TYPE_LIST || config_setting_type(s) == CONFIG_TYPE_ARRAY) {
        return true;
    }
    if (config_setting_type(s) == CONFIG_TYPE_GROUP) {
        conf_fail(p, s, "expected a list, found a group; write ( { ... } )");
    } else if (config_setting_type(s) == CONFIG_TYPE_STRING) {
        conf_fail(p, s, "expected a list, found a string; write [ \"%s\" ]",
                  config_setting_get_string(s));
    } else {
        conf_fail(p, s, "expected a list, found %s; write [ ... ]", conf_type_text(s));
    }
    return false;
}
