/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/upstream/resolve.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/dns.h>
#include <event2/event.h>
#include <event2/event_struct.h>

#include "core/base/err.h"
#include "core/base/hash.h"
#include "core/base/list.h"
#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/config/conf.h"
#include "core/upstream/hosts.h"
#include "core/upstream/name_servers.h"

#define HOSTS "/etc/hosts"

#define BUCKETS 256
/* However small the configured floor: no name is asked for more often than this. */
#define INTERVAL_MIN_MS 10

enum family { V6, V4, FAMILIES };

struct resolver {
    struct loop *loop;
    struct evdns_base *dns;
    struct hosts *hosts;
    uint64_t min_ttl, max_ttl; /* ms */
    char *identity;            /* of the servers in use */
    struct list queries;       /* those evdns has not answered yet */
    struct list buckets[BUCKETS];
    struct log_limit failures;
};

struct resolve_name {
    struct list node;
    struct resolver *resolver; /* NULL: it is gone; the last answer stays */
    unsigned refs;
    struct event timer;                       /* the next round       */
    struct query *queries[FAMILIES];          /* of the current round */
    bool empty[FAMILIES];                     /* the name has no such addresses */
    bool answered;                            /* this round brought addresses */
    int error;                                /* of this round; a DNS_ERR_ */
    uint64_t ttl, retry;                      /* ms */
    pthread_mutex_t lock;                     /* addrs and n, which workers read */
    struct pst_addr addrs[RESOLVE_ADDRS_MAX]; /* IPv6 first */
    size_t n;
    char host[];
};

/*
 * One question to evdns. It belongs to evdns, whose callback comes exactly once and perhaps after
 * everyone who waited has gone, and is freed there and nowhere else.
 */
struct query {
    struct list node;
    struct resolve_name *name; /* NULL: nobody waits for it any more */
    enum family family;
};

struct resolver *resolver_new(struct loop *main_loop, const struct conf_resolver *conf)
{
    struct resolver *r = calloc(1, sizeof(*r));

    if (!r) {
        return NULL;
    }
    r->loop = main_loop;
    list_init(&r->queries);
    for (size_t i = 0; i < BUCKETS; i++) {
        list_init(&r->buckets[i]);
    }
    r->hosts = hosts_new(HOSTS);
    if (!r->hosts || resolver_configure(r, conf) != ERR_OK) {
        resolver_free(r);
        return NULL;
    }
    return r;
}

/* What evdns still answers for this name is not wanted any more. */
static void name_forget_queries(struct resolve_name *n)
{
    for (enum family f = V6; f < FAMILIES; f++) {
        if (n->queries[f]) {
            n->queries[f]->name = NULL;
            n->queries[f] = NULL;
        }
    }
}

/* Ask other servers from now on; names are asked for again. */
static int resolver_replace_dns(struct resolver *r, const struct conf_resolver *conf)
{
    struct evdns_base *dns = name_servers_new(loop_base(r->loop), conf);

    if (!dns) {
        return ERR_NOMEM;
    }
    name_servers_free(r->dns);
    r->dns = dns;
    for (size_t i = 0; i < BUCKETS; i++) {
        list_each (it, &r->buckets[i]) {
            struct resolve_name *n = list_entry(it, struct resolve_name, node);

            name_forget_queries(n);
            (void)loop_base_timer(&n->timer, 0);
        }
    }
    return ERR_OK;
}

int resolver_configure(struct resolver *r, const struct conf_resolver *conf)
{
    char *identity = name_servers_identity(conf);
    char timeout[40];

    if (!identity) {
        return ERR_NOMEM;
    }
    if (!r->identity || strcmp(identity, r->identity) != 0) {
        int rc = resolver_replace_dns(r, conf);

        if (rc != ERR_OK) {
            free(identity);
            return rc;
        }
    }
    free(r->identity);
    r->identity = identity;
    snprintf(timeout, sizeof(timeout), "%llu.%03u", (unsigned long long)(conf->timeout / 1000),
             (unsigned)(conf->timeout % 1000));
    evdns_base_set_option(r->dns, "timeout:", timeout);
    r->min_ttl = conf->min_ttl < INTERVAL_MIN_MS ? INTERVAL_MIN_MS : conf->min_ttl;
    r->max_ttl = conf->max_ttl < r->min_ttl ? r->min_ttl : conf->max_ttl;
    return ERR_OK;
}

void resolver_free(struct resolver *r)
{
    size_t turns = 8;

    if (!r) {
        return;
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        list_each_safe (it, tmp, &r->buckets[i]) {
            struct resolve_name *n = list_entry(it, struct resolve_name, node);

            name_forget_queries(n);
            event_del(&n->timer);
            list_remove(&n->node);
            n->resolver = NULL;
        }
    }
    name_servers_free(r->dns);
    list_each (it, &r->queries) {
        turns++;
    }
    while (!list_empty(&r->queries) && turns-- > 0 &&
           event_base_loop(loop_base(r->loop), EVLOOP_NONBLOCK) >= 0) {
    }
    list_remove(&r->queries);
    hosts_free(r->hosts);
    free(r->identity);
    free(r);
}

/* Put a family's new addresses in the place of its old ones; each family gets its fair share. */
static void name_replace(struct resolve_name *n, uint8_t family, const struct pst_addr *addrs,
                         size_t count)
{
    const size_t half = RESOLVE_ADDRS_MAX / 2;
    struct pst_addr other[RESOLVE_ADDRS_MAX];
    size_t n_other = 0, keep = 0;

    pthread_mutex_lock(&n->lock);
    for (size_t i = 0; i < n->n; i++) {
        if (n->addrs[i].family != family) {
            other[n_other++] = n->addrs[i];
        }
    }
    keep = count < half ? RESOLVE_ADDRS_MAX - count : half;
    n_other = n_other < keep ? n_other : keep;
    count = count < RESOLVE_ADDRS_MAX - n_other ? count : RESOLVE_ADDRS_MAX - n_other;
    if (family == PST_AF_INET6) {
        memcpy(n->addrs, addrs, count * sizeof(addrs[0]));
        memcpy(n->addrs + count, other, n_other * sizeof(other[0]));
    } else {
        memcpy(n->addrs, other, n_other * sizeof(other[0]));
        memcpy(n->addrs + n_other, addrs, count * sizeof(addrs[0]));
    }
    n->n = n_other + count;
    pthread_mutex_unlock(&n->lock);
}

/* The hosts file goes before all servers. */
static bool name_from_hosts(struct resolve_name *n)
{
    struct pst_addr addrs[RESOLVE_ADDRS_MAX];
    size_t count = hosts_find(n->resolver->hosts, n->host, addrs, RESOLVE_ADDRS_MAX);

    if (count == 0) {
        return false;
    }
    pthread_mutex_lock(&n->lock);
    memcpy(n->addrs, addrs, count * sizeof(addrs[0]));
    n->n = count;
    pthread_mutex_unlock(&n->lock);
    return true;
}

static void name_schedule(struct resolve_name *n, uint64_t ms)
{
    (void)loop_base_timer(&n->timer, ms);
}

/* The round brought nothing: what was known stays, and the next round comes by and by. */
static void name_failed(struct resolve_name *n)
{
    const struct resolver *r = n->resolver;
    uint32_t held = 0;

    n->retry = n->retry == 0 ? r->min_ttl : 2 * n->retry;
    n->retry = n->retry < r->max_ttl ? n->retry : r->max_ttl;
    if (log_limit_ok(&n->resolver->failures, 10, &held)) {
        LOG(PST_LOG_WARNING, "cannot resolve upstream name", LOGF_Z("name", n->host),
            LOGF_Z("error", evdns_err_to_string(n->error)), LOGF_U64("kept_addresses", n->n),
            LOGF_U64("retry_ms", n->retry), LOGF_U64("more", held));
    }
    name_schedule(n, n->retry);
}

/* Both families were answered or given up. */
static void name_finish(struct resolve_name *n)
{
    const struct resolver *r = n->resolver;
    const struct pst_addr none = { 0 };
    uint64_t ttl = n->ttl;

    if (!n->answered) {
        name_failed(n);
        return;
    }
    if (n->empty[V6]) {
        name_replace(n, PST_AF_INET6, &none, 0);
    }
    if (n->empty[V4]) {
        name_replace(n, PST_AF_INET, &none, 0);
    }
    if (n->retry > 0) {
        LOG(PST_LOG_NOTICE, "upstream name resolved again", LOGF_Z("name", n->host));
    }
    n->retry = 0;
    ttl = ttl < r->max_ttl ? ttl : r->max_ttl;
    name_schedule(n, ttl > r->min_ttl ? ttl : r->min_ttl);
}

/* Take addresses as evdns hands them out; false: none is of use. */
static bool name_publish(struct resolve_name *n, enum family f, int count, const void *p)
{
    const uint8_t family = f == V6 ? PST_AF_INET6 : PST_AF_INET;
    const size_t size = f == V6 ? 16 : 4;
    struct pst_addr addrs[RESOLVE_ADDRS_MAX] = { 0 };
    size_t used = 0;

    for (int i = 0; i < count && used < RESOLVE_ADDRS_MAX; i++) {
        struct in6_addr ip = IN6ADDR_ANY_INIT;

        memcpy(&ip, (const uint8_t *)p + (size_t)i * size, size);
        /* An IPv4 address in an AAAA record: the A records are the place for it. */
        if (f == V4 || !IN6_IS_ADDR_V4MAPPED(&ip)) {
            addrs[used].family = family;
            memcpy(addrs[used++].ip, &ip, size);
        }
    }
    if (used > 0) {
        name_replace(n, family, addrs, used);
    }
    return used > 0;
}

static void on_answer(int result, char type, int count, int ttl, void *addresses, void *arg)
{
    struct query *q = arg;
    struct resolve_name *n = q->name;
    enum family f = q->family;

    (void)type;
    list_remove(&q->node);
    free(q);
    if (!n) {
        return;
    }
    n->queries[f] = NULL;
    if (result == DNS_ERR_NONE && name_publish(n, f, count, addresses)) {
        uint64_t ms = ttl > 0 ? (uint64_t)ttl * 1000 : 0;

        n->ttl = !n->answered || ms < n->ttl ? ms : n->ttl;
        n->answered = true;
    } else {
        n->empty[f] = result == DNS_ERR_NODATA || result == DNS_ERR_NOTEXIST;
        n->error = result;
    }
    if (!n->queries[V6] && !n->queries[V4]) {
        name_finish(n);
    }
}

/* Ask for one family; a question that cannot be asked counts as failed. */
static void name_ask(struct resolve_name *n, enum family f)
{
    struct resolver *r = n->resolver;
    struct query *q = malloc(sizeof(*q));
    struct evdns_request *sent = NULL;

    if (!q) {
        return;
    }
    q->name = n;
    q->family = f;
    if (evdns_base_count_nameservers(r->dns) > 0) {
        sent = f == V6 ? evdns_base_resolve_ipv6(r->dns, n->host, 0, on_answer, q)
                       : evdns_base_resolve_ipv4(r->dns, n->host, 0, on_answer, q);
    }
    if (!sent) {
        free(q);
        return;
    }
    n->queries[f] = q;
    list_append(&r->queries, &q->node);
}

static void name_start(struct resolve_name *n)
{
    n->answered = false;
    n->empty[V6] = n->empty[V4] = false;
    n->error = DNS_ERR_UNKNOWN;
    if (name_from_hosts(n)) {
        name_schedule(n, n->resolver->min_ttl);
        return;
    }
    name_ask(n, V6);
    name_ask(n, V4);
    if (!n->queries[V6] && !n->queries[V4]) {
        name_failed(n);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    name_start(arg);
}

struct resolve_name *resolve_get(struct resolver *r, const char *host)
{
    size_t len = strlen(host);
    struct list *bucket = &r->buckets[hash_bytes(host, len) % BUCKETS];
    struct resolve_name *n = NULL;

    list_each (it, bucket) {
        n = list_entry(it, struct resolve_name, node);
        if (strcmp(n->host, host) == 0) {
            n->refs++;
            return n;
        }
    }
    n = calloc(1, sizeof(*n) + len + 1);
    if (!n) {
        return NULL;
    }
    if (pthread_mutex_init(&n->lock, NULL) != 0) {
        free(n);
        return NULL;
    }
    n->resolver = r;
    n->refs = 1;
    memcpy(n->host, host, len);
    evtimer_assign(&n->timer, loop_base(r->loop), on_timer, n);
    list_append(bucket, &n->node);
    name_start(n);
    return n;
}

void resolve_put(struct resolve_name *n)
{
    if (!n || --n->refs > 0) {
        return;
    }
    if (n->resolver) {
        name_forget_queries(n);
        event_del(&n->timer);
        list_remove(&n->node);
    }
    pthread_mutex_destroy(&n->lock);
    free(n);
}

size_t resolve_addrs(struct resolve_name *n, struct pst_addr out[RESOLVE_ADDRS_MAX])
{
    size_t count = 0;

    pthread_mutex_lock(&n->lock);
    count = n->n;
    memcpy(out, n->addrs, count * sizeof(out[0]));
    pthread_mutex_unlock(&n->lock);
    return count;
}
