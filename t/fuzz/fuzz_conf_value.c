/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One string as every kind of value: durations, sizes, networks, addresses, file names, domains.
 * What is accepted must come out the same when its normal form is read again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/addr.h"
#include "core/base/name.h"
#include "core/base/str.h"
#include "core/config/conf_error.h"
#include "core/config/conf_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void insist(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void durations(struct conf_priv *p, config_setting_t *s)
{
    uint64_t ms, again;
    char text[32];

    if (conf_value_ms(p, s, 0, 0, &ms)) {
        insist(str_to_ms(conf_ms_text(ms, text), &again) == 0 && again == ms);
    }
    if (conf_value_size(p, s, 1, 1 << 20, &ms)) {
        insist(ms >= 1 && ms <= 1 << 20);
    }
}

static void networks(struct conf_priv *p, config_setting_t *s)
{
    struct pst_net net, again;
    char text[ADDR_TEXT_MAX];

    if (conf_value_net(p, s, &net)) {
        insist(addr_parse_net(addr_net_text(&net, text), &again) == 0);
        insist(again.prefix == net.prefix && addr_equal(&again.addr, &net.addr));
    }
}

static void addresses(struct conf_priv *p, config_setting_t *s, enum conf_addr_use use)
{
    struct conf_addr a, again;

    if (!conf_value_addr(p, s, use, &a)) {
        return;
    }
    insist(a.text != NULL && (use == CONF_ADDR_OF_TARGET || (!a.tls && a.host == NULL)));
    insist(a.kind != CONF_ADDR_IP || a.ip.port != 0);
    /* A host of that name is written with a dot, "unix.:80", which its normal form lacks. */
    if (a.host != NULL && strcmp(a.host, "unix") == 0) {
        return;
    }
    config_setting_set_string(s, a.text);
    insist(conf_value_addr(p, s, use, &again));
    insist(again.kind == a.kind && strcmp(again.text, a.text) == 0);
}

static void domains(const char *z)
{
    char name[NAME_MAX_LEN + 1], again[NAME_MAX_LEN + 1];
    size_t n, again_n;
    bool wildcard = false;

    if (name_normalise_pattern(z, strlen(z), name, &n, &wildcard) == 0 && n > 0) {
        insist(name_normalise(name, n, again, &again_n) == 0);
        insist(again_n == n && memcmp(again, name, n) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct conf_errors *errors = conf_errors_new();
    char *text = malloc(n + 1);
    config_setting_t *s;
    const char *path;
    struct conf *c;

    insist(errors != NULL && text != NULL);
    memcpy(text, data, n);
    text[n] = '\0';
    c = conf_load_text("user = \"\";", errors);
    insist(c != NULL);
    s = config_lookup(&c->priv->files->cfg, "user");
    config_setting_set_string(s, text);
    durations(c->priv, s);
    networks(c->priv, s);
    domains(text);
    if (conf_value_path(c->priv, s, &path)) {
        insist(path[0] == '/');
    }
    for (int use = CONF_ADDR_OF_LISTENER; use <= CONF_ADDR_OF_MODULE; use++) {
        config_setting_set_string(s, text);
        addresses(c->priv, s, (enum conf_addr_use)use);
    }
    conf_free(c);
    conf_errors_free(errors);
    free(text);
    return 0;
}
