/* SPDX-License-Identifier: MIT-0 */
/*
 * geo: lets clients in, or keeps them out, by the country a MaxMind database has for their address.
 *
 *     modules = ( { module = "geo"; database = "/var/lib/GeoIP/GeoLite2-Country.mmdb";
 *                   allow = [ "DE", "FR" ]; } );
 *
 * The country is the variable "geo.country" of the connection. See README.md.
 */
#include <arpa/inet.h>
#include <maxminddb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <postern_module.h>

#define NAME "geo"

/* What happens to clients of a country; 0: the default. */
enum action { ACTION_DEFAULT, ACTION_ALLOW, ACTION_DENY };

static const struct pst_host *host;
static int32_t var_client, var_country, metric_denied;

struct geo {
    MMDB_s db;
    int open;
    enum action otherwise;
    uint8_t actions[26 * 26]; /* enum action by country */
};

static const struct pst_option options[] = {
    { .name = "database",
      .type = PST_OPT_PATH,
      .flags = PST_OPT_REQUIRED,
      .help = "a MaxMind database (.mmdb) with country.iso_code" },
    { .name = "allow",
      .type = PST_OPT_STR,
      .flags = PST_OPT_LIST,
      .help = "countries that may connect, as two letters" },
    { .name = "deny",
      .type = PST_OPT_STR,
      .flags = PST_OPT_LIST,
      .help = "countries that may not, as two letters" },
    { .name = "default",
      .type = PST_OPT_STR,
      .def = "deny",
      .choices = "deny|allow",
      .help = "what happens to other countries, and to addresses without one" },
};

/* The variable has no value but the one that judge() leaves. */
static int32_t no_value(void *ctx, pst_conn *conn, struct pst_value *value)
{
    (void)ctx;
    (void)conn;
    (void)value;
    return PST_OK;
}

static int32_t load(const struct pst_host *h)
{
    host = h;
    var_client = h->var_id("conn.client_ip");
    var_country = h->var_register(NAME, NAME ".country", PST_VALUE_STR, no_value, NULL);
    metric_denied = h->metric_define(NAME, "denied", "clients refused", PST_METRIC_COUNTER);
    return var_client < 0 || var_country < 0 || metric_denied < 0 ? PST_ERR : PST_OK;
}

/* The place of two capital letters in `actions`, or -1. */
static int country_index(const char *p, size_t n)
{
    if (n != 2 || p[0] < 'A' || p[0] > 'Z' || p[1] < 'A' || p[1] > 'Z') {
        return -1;
    }
    return (p[0] - 'A') * 26 + (p[1] - 'A');
}

static int32_t read_list(struct geo *g, const pst_cfg *cfg, const char *key, enum action action)
{
    const pst_cfg *list = host->cfg_get(cfg, key);
    int32_t rc = PST_OK;

    for (uint32_t i = 0; list != NULL && i < host->cfg_count(list); i++) {
        const pst_cfg *at = host->cfg_at(list, i);
        struct pst_str code;
        int index;

        if (host->cfg_str(at, NULL, &code) != PST_OK) {
            rc = PST_ERR_CONFIG;
            continue;
        }
        index = country_index(code.p, code.n);
        if (index < 0) {
            host->cfg_error(at, "not a country: write two capital letters (ISO 3166): \"DE\"", 57);
            rc = PST_ERR_CONFIG;
        } else if (g->actions[index] != ACTION_DEFAULT && g->actions[index] != action) {
            host->cfg_error(at, "is in \"allow\" and in \"deny\"", 27);
            rc = PST_ERR_CONFIG;
        } else {
            g->actions[index] = (uint8_t)action;
        }
    }
    return rc;
}

static int32_t open_database(struct geo *g, const pst_cfg *cfg)
{
    struct pst_str path;
    char text[512];
    int status, n;

    if (host->cfg_path(cfg, "database", &path) != PST_OK) {
        return PST_ERR_CONFIG;
    }
    status = MMDB_open(path.p, MMDB_MODE_MMAP, &g->db);
    g->open = status == MMDB_SUCCESS;
    if (!g->open) {
        n = snprintf(text, sizeof(text), "%s: %s", path.p, MMDB_strerror(status));
        host->cfg_error(host->cfg_get(cfg, "database"), text,
                        n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1);
    }
    return g->open ? PST_OK : PST_ERR_CONFIG;
}

static void fini(void *inst)
{
    struct geo *g = inst;

    if (g->open) {
        MMDB_close(&g->db);
    }
    free(g);
}

static int32_t init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    struct geo *g = calloc(1, sizeof(*g));
    struct pst_str otherwise = { "", 0 };
    int32_t rc[4];

    (void)self;
    if (g == NULL) {
        return PST_ERR_NOMEM;
    }
    /* All that is wrong, not the first of it. */
    rc[0] = open_database(g, cfg);
    rc[1] = read_list(g, cfg, "allow", ACTION_ALLOW);
    rc[2] = read_list(g, cfg, "deny", ACTION_DENY);
    rc[3] = host->cfg_str(cfg, "default", &otherwise);
    g->otherwise = strcmp(otherwise.p, "allow") == 0 ? ACTION_ALLOW : ACTION_DENY;
    if (rc[0] != PST_OK || rc[1] != PST_OK || rc[2] != PST_OK || rc[3] != PST_OK) {
        fini(g); /* the host does not call it after a failure */
        return PST_ERR_CONFIG;
    }
    *inst = g;
    return PST_OK;
}

/* The country of an address; n is 0 when the database has none. Lives as long as the database. */
static struct pst_str country_of(const struct geo *g, const struct pst_addr *a)
{
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
    struct sockaddr_in in = { .sin_family = AF_INET };
    const struct sockaddr *sa = (const struct sockaddr *)&in;
    MMDB_lookup_result_s found;
    MMDB_entry_data_s data;
    int error = MMDB_SUCCESS;

    if (a->family == PST_AF_INET6) {
        memcpy(&in6.sin6_addr, a->ip, 16);
        sa = (const struct sockaddr *)&in6;
    } else if (a->family == PST_AF_INET) {
        memcpy(&in.sin_addr, a->ip, 4);
    } else {
        return (struct pst_str){ "", 0 };
    }
    found = MMDB_lookup_sockaddr(&g->db, sa, &error);
    if (error != MMDB_SUCCESS || !found.found_entry ||
        MMDB_get_value(&found.entry, &data, "country", "iso_code", NULL) != MMDB_SUCCESS ||
        !data.has_data || data.type != MMDB_DATA_TYPE_UTF8_STRING) {
        return (struct pst_str){ "", 0 };
    }
    return (struct pst_str){ data.utf8_string, data.data_size };
}

static int32_t judge(struct pst_call *k)
{
    const struct geo *g = k->inst;
    struct pst_value client = { 0 }, country = { .type = PST_VALUE_STR };
    enum action action = ACTION_DEFAULT;
    char text[64];
    int index, n;

    if (host->var_get(k->conn, var_client, &client) != PST_OK) {
        return PST_ERROR;
    }
    if (client.type == PST_VALUE_ADDR) {
        country.u.str = country_of(g, &client.u.addr);
    }
    index = country_index(country.u.str.p, country.u.str.n);
    if (index >= 0) {
        action = (enum action)g->actions[index];
        if (host->note_set(k->conn, var_country, &country) != PST_OK) {
            return PST_ERROR;
        }
    }
    action = action != ACTION_DEFAULT ? action : g->otherwise;
    if (action == ACTION_ALLOW) {
        return PST_NEXT;
    }
    n = index >= 0
            ? snprintf(text, sizeof(text), "clients from %.2s are not let in", country.u.str.p)
            : snprintf(text, sizeof(text), "no country is known for the client");
    host->metric_add(metric_denied, 1);
    host->deny(k->conn, "geo-denied", 10, text, (size_t)n);
    return PST_DENY;
}

static const struct pst_hooks hooks = {
    .size = sizeof(hooks),
    .init = init,
    .on_client_hello = judge,
    .on_admit = judge,
    .fini = fini,
};

static const struct pst_module module = {
    PST_MODULE_HEAD(0, PST_FLAG_DECIDES),
    .name = NAME,
    .version = "1.0.0",
    .scopes = PST_SCOPE_LISTENER | PST_SCOPE_EDGE,
    .n_options = sizeof(options) / sizeof(options[0]),
    .option_size = sizeof(options[0]),
    .options = options,
    .hooks = &hooks,
    .load = load,
};

const struct pst_module *postern_module_v1(void)
{
    return &module;
}
