/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "t/unit/upstream_rig.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/upstream/resolve.h"

const struct pst_addr client = { .family = PST_AF_INET, .ip = { 198, 51, 100, 7 } };

/* A stand-in for the resolver: "many" has three addresses, "one" has one, "none" has none. */
struct resolve_name {
    size_t n;
    unsigned refs;
};

static struct resolve_name many = { .n = 3 }, one = { .n = 1 }, none = { .n = 0 };

struct resolve_name *resolve_get(struct resolver *r, const char *host)
{
    struct resolve_name *n = strcmp(host, "many") == 0  ? &many
                             : strcmp(host, "one") == 0 ? &one
                                                        : &none;

    (void)r;
    n->refs++;
    return n;
}

void resolve_put(struct resolve_name *n)
{
    n->refs--;
}

size_t resolve_addrs(struct resolve_name *n, struct pst_addr out[RESOLVE_ADDRS_MAX])
{
    for (size_t i = 0; i < n->n; i++) {
        out[i] = (struct pst_addr){ .family = PST_AF_INET, .ip = { 192, 0, 2, (uint8_t)(i + 1) } };
    }
    return n->n;
}

struct conf_target targets[UPSTREAM_RIG_TARGETS];
struct conf_upstream conf;
struct upstream *up;
uint64_t now;

static char texts[UPSTREAM_RIG_TARGETS][32];

void upstream_rig_setup(void)
{
    log_init();
    log_set_level(PST_LOG_ERROR);
    memset(targets, 0, sizeof(targets));
    conf = (struct conf_upstream){ .targets = targets,
                                   .max_fails = 3,
                                   .fail_timeout = FAIL_TIMEOUT / 1000000 };
    now = 1000 * SECOND;
    up = NULL;
}

void upstream_rig_teardown(void)
{
    upstream_free(up);
    ck_assert_uint_eq(many.refs + one.refs + none.refs, 0);
}

struct conf_target *add(uint32_t weight)
{
    size_t i = conf.n_targets++;
    struct conf_target *t = &targets[i];

    snprintf(texts[i], sizeof(texts[i]), "127.0.0.1:%zu", i + 1);
    t->addr = (struct conf_addr){ .kind = CONF_ADDR_IP, .text = texts[i] };
    t->addr.ip = (struct pst_addr){ .family = PST_AF_INET,
                                    .port = (uint16_t)(i + 1),
                                    .ip = { 127, 0, 0, 1 } };
    t->weight = weight;
    return t;
}

void add_host(const char *host)
{
    struct conf_target *t = add(1);

    t->addr.kind = CONF_ADDR_HOST;
    t->addr.text = t->addr.host = host;
    t->addr.ip = (struct pst_addr){ .port = 443 };
}

void start(enum conf_balance balance)
{
    conf.balance = balance;
    up = upstream_new(&conf, NULL);
    ck_assert_ptr_nonnull(up);
}

int step(struct upstream_walk *w, const struct pst_addr *from)
{
    struct upstream_choice c;
    int rc = upstream_next(up, w, from, now, &c);

    return rc < 0 ? rc : c.addr.port - 1;
}

int visit(const struct pst_addr *from, bool ok)
{
    struct upstream_walk w = { 0 };
    int i = step(&w, from);

    if (i >= 0) {
        upstream_result(up, &w, ok, now);
    }
    upstream_end(up, &w);
    return i;
}

void attempt(int target, bool ok)
{
    struct upstream_walk w = { 0 };

    while (step(&w, &client) != target) {
        ck_assert_ptr_nonnull(w.current);
    }
    upstream_result(up, &w, ok, now);
    upstream_end(up, &w);
}

void take_out(int target)
{
    for (int fails = 0; fails < 3; fails++) {
        attempt(target, false);
    }
}
