/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Groups with a fixed set of keys, read by a table. */
#include "core/config/conf_priv.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

/* No table has more keys. */
#define KEYS_MAX 32

static bool read_one(struct conf_priv *p, const config_setting_t *s, const struct conf_key *k,
                     void *base)
{
    void *at = (char *)base + k->offset;
    uint64_t number;
    unsigned index;

    switch (k->kind) {
    case CONF_KEY_STR:
        if (!conf_value_str(p, s, at)) {
            return false;
        }
        if (**(const char **)at == '\0') {
            conf_fail(p, s, "cannot be empty");
            return false;
        }
        return true;
    case CONF_KEY_PATH:
        return conf_value_path(p, s, at);
    case CONF_KEY_BOOL:
        return conf_value_bool(p, s, at);
    case CONF_KEY_U32:
        if (!conf_value_u64(p, s, k->min, k->max, &number)) {
            return false;
        }
        *(uint32_t *)at = (uint32_t)number;
        return true;
    case CONF_KEY_MS:
        return conf_value_ms(p, s, k->min, k->max, at);
    case CONF_KEY_CHOICE:
        if (!conf_value_choice(p, s, k->choices, &index)) {
            return false;
        }
        memcpy(at, &index, sizeof(index));
        return true;
    case CONF_KEY_FN:
        return k->fn(p, s, base);
    }
    return false;
}

static void unknown_key(struct conf_priv *p, const config_setting_t *s, const struct conf_key *keys,
                        size_t n)
{
    const char *near = NULL;
    unsigned best = UINT_MAX;

    for (size_t i = 0; i < n; i++) {
        if (conf_near(config_setting_name(s), keys[i].name, &best)) {
            near = keys[i].name;
        }
    }
    if (near != NULL) {
        conf_fail(p, s, "unknown key; did you mean \"%s\"?", near);
    } else {
        conf_fail(p, s, "unknown key");
    }
}

bool conf_keys_read(struct conf_priv *p, const config_setting_t *s, const struct conf_key *keys,
                    size_t n, void *base)
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

        while (k < n && strcmp(keys[k].name, config_setting_name(member)) != 0) {
            k++;
        }
        if (k == n) {
            unknown_key(p, member, keys, n);
            continue;
        }
        seen[k] = true;
        read_one(p, member, &keys[k], base);
    }
    for (size_t k = 0; k < n; k++) {
        if (keys[k].required && !seen[k]) {
            conf_fail(p, s, "\"%s\" is missing", keys[k].name);
        }
    }
    return true;
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
