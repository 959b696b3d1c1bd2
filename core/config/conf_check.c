/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can only be judged when everything is read: names, addresses, domains, references. */
#include "core/config/conf_priv.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/addr.h"
#include "core/base/err.h"
#include "core/base/hash.h"
#include "core/config/conf_error.h"

/* With more edges than this a wrong edge name gets no "did you mean". */
#define SUGGEST_MAX 1000

struct check {
    struct conf_priv *p;
    struct map *edges; /* name -> struct conf_edge */
    bool *is_fallback; /* by index of the edge     */
};

static const config_setting_t *member_or_self(const config_setting_t *s, const char *key)
{
    const config_setting_t *m = config_setting_get_member(s, key);
    return m != NULL ? m : s;
}

static void check_listener_names(struct conf_priv *p)
{
    const struct conf *c = p->conf;
    struct map *names = map_new(c->n_listeners);
    char where[PATH_MAX];

    for (size_t i = 0; names != NULL && i < c->n_listeners; i++) {
        const struct conf_listener *l = &c->listeners[i], *other;

        if (l->name == NULL ||
            map_put(names, l->name, strlen(l->name), &c->listeners[i]) != ERR_EXISTS) {
            continue;
        }
        other = map_get(names, l->name, strlen(l->name));
        conf_fail(p, member_or_self(p->listener_settings[i], "name"),
                  "another listener is called \"%s\"%s", l->name,
                  conf_place(p->listener_settings[other - c->listeners], where, sizeof(where)));
    }
    if (names == NULL) {
        conf_nomem(p);
    }
    map_free(names);
}

/* Take an address for listener i; written is what it is called when it is taken already. */
static void claim_address(struct conf_priv *p, struct map *taken, size_t i, const char *written,
                          const char *text)
{
    const struct conf *c = p->conf;
    const struct conf_listener *other;
    char where[PATH_MAX];

    if (map_put(taken, text, strlen(text), &c->listeners[i]) != ERR_EXISTS) {
        return;
    }
    other = map_get(taken, text, strlen(text));
    conf_fail(p, member_or_self(p->listener_settings[i], "address"),
              "\"%s\" is already used by listener \"%s\"%s", written,
              other->name != NULL ? other->name : "",
              conf_place(p->listener_settings[other - c->listeners], where, sizeof(where)));
}

static void check_addresses(struct conf_priv *p)
{
    static const uint8_t any6[16];
    const struct conf *c = p->conf;
    struct map *taken = map_new(c->n_listeners * 2);

    for (size_t i = 0; taken != NULL && i < c->n_listeners; i++) {
        const struct conf_listener *l = &c->listeners[i];

        for (size_t k = 0; k < l->n_addrs; k++) {
            const struct conf_addr *a = &l->addrs[k];

            claim_address(p, taken, i, a->text, a->text);
            if (l->dual_stack && a->ip.family == PST_AF_INET6 && memcmp(a->ip.ip, any6, 16) == 0) {
                char text[ADDR_TEXT_MAX];
                const char *kept;

                snprintf(text, sizeof(text), "0.0.0.0:%u", a->ip.port);
                kept = arena_strndup(&p->arena, text, strlen(text));
                if (kept != NULL) {
                    claim_address(p, taken, i, text, kept);
                }
            }
        }
    }
    if (taken == NULL) {
        conf_nomem(p);
    }
    map_free(taken);
}

static void check_edge_names(struct check *k)
{
    const struct conf *c = k->p->conf;
    char where[PATH_MAX];

    for (size_t i = 0; i < c->n_edges; i++) {
        const struct conf_edge *e = &c->edges[i], *other;

        if (e->name == NULL ||
            map_put(k->edges, e->name, strlen(e->name), &c->edges[i]) != ERR_EXISTS) {
            continue;
        }
        other = map_get(k->edges, e->name, strlen(e->name));
        conf_fail(k->p, member_or_self(k->p->edge_settings[i], "name"),
                  "another edge is called \"%s\"%s", e->name,
                  conf_place(k->p->edge_settings[other - c->edges], where, sizeof(where)));
    }
}

static void check_fallback(struct check *k, size_t listener, const char *key,
                           const struct conf_fallback *f)
{
    const struct conf *c = k->p->conf;
    const config_setting_t *s = k->p->listener_settings[listener];
    const struct conf_edge *e;
    const char *near = NULL;
    unsigned best = UINT_MAX;

    if (f->outcome != CONF_ROUTE) {
        return;
    }
    e = map_get(k->edges, f->edge, strlen(f->edge));
    if (e != NULL) {
        k->is_fallback[e - c->edges] = true;
        return;
    }
    near = conf_near(f->edge, "refuse", &best) ? "refuse" : near;
    near = conf_near(f->edge, "close", &best) ? "close" : near;
    for (size_t i = 0; i < c->n_edges && c->n_edges <= SUGGEST_MAX; i++) {
        if (c->edges[i].name != NULL && conf_near(f->edge, c->edges[i].name, &best)) {
            near = c->edges[i].name;
        }
    }
    if (near != NULL) {
        conf_fail(k->p, member_or_self(s, key),
                  "\"%s\" is neither \"refuse\" nor \"close\" nor the name of an edge; did you "
                  "mean \"%s\"?",
                  f->edge, near);
    } else {
        conf_fail(k->p, member_or_self(s, key),
                  "\"%s\" is neither \"refuse\" nor \"close\" nor the name of an edge", f->edge);
    }
}

static void check_fallbacks(struct check *k)
{
    const struct conf *c = k->p->conf;

    for (size_t i = 0; i < c->n_listeners; i++) {
        check_fallback(k, i, "no_sni", &c->listeners[i].no_sni);
        check_fallback(k, i, "unknown_sni", &c->listeners[i].unknown_sni);
        check_fallback(k, i, "not_tls", &c->listeners[i].not_tls);
    }
    for (size_t i = 0; i < c->n_edges; i++) {
        const config_setting_t *s = k->p->edge_settings[i];
        const config_setting_t *domains = config_setting_get_member(s, "domains");

        /* Domains that were written but wrong have their own errors. */
        bool none = domains == NULL || (config_setting_length(domains) == 0 &&
                                        config_setting_type(domains) != CONFIG_TYPE_STRING);

        if (none && !k->is_fallback[i]) {
            conf_fail(k->p, s,
                      "the edge can never be reached: it has no domains, and no listener "
                      "names it in no_sni, unknown_sni or not_tls");
        }
    }
}

/* The setting of domain d of an edge; the list when some of its elements were wrong. */
static const config_setting_t *domain_setting(const config_setting_t *edge,
                                              const struct conf_edge *e, size_t d)
{
    const config_setting_t *list = member_or_self(edge, "domains");

    return config_setting_length(list) == (int)e->n_domains ? conf_elem(list, (int)d) : list;
}

/*
 * Two edges collide on a domain when both take any protocol or share one, so a domain together
 * with one protocol (none: "") may exist once. False: it existed.
 */
static bool claim_domain(struct conf_priv *p, struct map *taken, size_t i, size_t d,
                         const char *alpn)
{
    const struct conf *c = p->conf;
    struct conf_edge *e = &c->edges[i];
    const struct conf_edge *other;
    const config_setting_t *s;
    size_t domain_n = strlen(e->domains[d]), alpn_n = strlen(alpn);
    char *key = arena_alloc(&p->arena, domain_n + 1 + alpn_n), offer[300], where[PATH_MAX];

    if (key == NULL) {
        conf_nomem(p);
        return true;
    }
    memcpy(key, e->domains[d], domain_n);
    memcpy(key + domain_n + 1, alpn, alpn_n);
    if (map_put(taken, key, domain_n + 1 + alpn_n, e) != ERR_EXISTS) {
        return true;
    }
    other = map_get(taken, key, domain_n + 1 + alpn_n);
    s = domain_setting(p->edge_settings[i], e, d);
    snprintf(offer, sizeof(offer), "%s%s%s", alpn_n > 0 ? " with ALPN \"" : "", alpn,
             alpn_n > 0 ? "\"" : "");
    if (other == e) {
        conf_fail(p, s, "\"%s\"%s is listed twice", e->domains[d], offer);
    } else {
        conf_fail(p, s, "\"%s\"%s is already served by edge \"%s\"%s", e->domains[d], offer,
                  other->name != NULL ? other->name : "",
                  conf_place(p->edge_settings[other - c->edges], where, sizeof(where)));
    }
    return false;
}

static void check_domains(struct conf_priv *p)
{
    const struct conf *c = p->conf;
    struct map *taken = map_new(c->n_edges);

    for (size_t i = 0; taken != NULL && i < c->n_edges; i++) {
        const struct conf_edge *e = &c->edges[i];

        for (size_t d = 0; d < e->n_domains; d++) {
            if (e->n_alpn == 0) {
                claim_domain(p, taken, i, d, "");
            }
            for (size_t a = 0; a < e->n_alpn && claim_domain(p, taken, i, d, e->alpn[a]);) {
                a++;
            }
        }
    }
    if (taken == NULL) {
        conf_nomem(p);
    }
    map_free(taken);
}

void conf_check(struct conf_priv *p)
{
    const struct conf *c = p->conf;
    struct check k = { p, map_new(c->n_edges), calloc(c->n_edges + 1, sizeof(bool)) };

    check_listener_names(p);
    check_addresses(p);
    if (k.edges == NULL || k.is_fallback == NULL) {
        conf_nomem(p);
    } else {
        check_edge_names(&k);
        check_fallbacks(&k);
        check_domains(p);
    }
    free(k.is_fallback);
    map_free(k.edges);
}
