/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the configuration of an instance. */
#include "proxy.h"

#include <stdlib.h>
#include <string.h>

#include "../common/cfg_wrong.h"

#define TLVS "authority|alpn|ssl|ssl-client-cert|unique-id|crc32c"

const struct pst_option proxy_options[PROXY_N_OPTIONS] = {
    { .name = "accept",
      .type = PST_OPT_STR,
      .flags = PST_OPT_LIST | PST_OPT_REQUIRED | PST_OPT_LISTENER_ONLY,
      .help = "networks, or \"unix\", whose connections begin with a header" },
    { .name = "send",
      .type = PST_OPT_U64,
      .min = 1,
      .max = 2,
      .flags = PST_OPT_REQUIRED | PST_OPT_EDGE_ONLY,
      .help = "version of the header that upstreams get" },
    { .name = "tlvs",
      .type = PST_OPT_STR,
      .flags = PST_OPT_LIST | PST_OPT_EDGE_ONLY,
      .choices = TLVS,
      .help = "what a header of version 2 tells beside the addresses" },
    { .name = "forward",
      .type = PST_OPT_STR,
      .flags = PST_OPT_LIST | PST_OPT_EDGE_ONLY,
      .help = "types of received TLVs that are passed on, by name or as \"0xe0\"" },
};

/* --- listener --------------------------------------------------------------------------------- */

static int32_t read_peer(const pst_cfg *node, struct proxy *out)
{
    struct pst_net *net = &out->accept[out->n_accept];
    struct pst_str s;
    int32_t rc = proxy_host->cfg_str(node, NULL, &s);

    if (rc != PST_OK) {
        return rc;
    }
    if (strcmp(s.p, "unix") == 0) {
        out->accept_unix = true;
        return PST_OK;
    }
    rc = proxy_host->cfg_net(node, NULL, net);
    if (rc == PST_OK) {
        out->n_accept++;
        if (net->prefix == 0) {
            static const char text[] = "everybody may claim to be any client";

            proxy_host->cfg_warn(node, text, sizeof(text) - 1);
        }
    }
    return rc;
}

static int32_t read_accept(const pst_cfg *cfg, struct proxy *out)
{
    const pst_cfg *list = proxy_host->cfg_get(cfg, "accept");
    uint32_t n = list == NULL ? 0 : proxy_host->cfg_count(list);
    int32_t rc = PST_OK;

    if (n == 0) {
        return cfg_wrong(proxy_host, list != NULL ? list : cfg,
                         "names no peer that sends a header: fill it, or remove the module");
    }
    out->accept = calloc(n, sizeof(*out->accept));
    if (out->accept == NULL) {
        return PST_ERR_NOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        int32_t one = read_peer(proxy_host->cfg_at(list, i), out);

        rc = one != PST_OK ? one : rc;
    }
    return rc;
}

/* --- edge ------------------------------------------------------------------------------------- */

/* Each string of a list, with the instance. PST_OK when all were taken. */
static int32_t each(const pst_cfg *cfg, const char *key, struct proxy *out,
                    int32_t (*take)(const pst_cfg *node, struct pst_str s, struct proxy *out))
{
    const pst_cfg *list = proxy_host->cfg_get(cfg, key);
    uint32_t n = list == NULL ? 0 : proxy_host->cfg_count(list);
    int32_t rc = PST_OK;

    for (uint32_t i = 0; i < n; i++) {
        const pst_cfg *node = proxy_host->cfg_at(list, i);
        struct pst_str s;
        int32_t one = proxy_host->cfg_str(node, NULL, &s);

        one = one == PST_OK ? take(node, s, out) : one;
        rc = one != PST_OK ? one : rc;
    }
    if (list != NULL && out->send == 1) {
        rc = cfg_wrong(proxy_host, list, "a header of version 1 has no TLVs: write send = 2");
    }
    return rc;
}

/* In the order of TLVS: the host has made sure that it is one of them. */
static int32_t take_tlv(const pst_cfg *node, struct pst_str s, struct proxy *out)
{
    static const struct {
        const char *name;
        uint32_t add;
    } known[] = {
        { "authority", PROXY_ADD_AUTHORITY },
        { "alpn", PROXY_ADD_ALPN },
        { "ssl", PROXY_ADD_SSL },
        { "ssl-client-cert", PROXY_ADD_CLIENT_CERT },
        { "unique-id", PROXY_ADD_UNIQUE_ID },
        { "crc32c", PROXY_ADD_CRC32C },
    };

    (void)node;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(s.p, known[i].name) == 0) {
            out->add |= known[i].add;
        }
    }
    return PST_OK;
}

/* A type by name or by number, -1: neither. */
static int type_of(const char *z)
{
    static const struct {
        const char *name;
        int type;
    } known[] = {
        { "alpn", PROXY_TLV_ALPN },   { "authority", PROXY_TLV_AUTHORITY },
        { "ssl", PROXY_TLV_SSL },     { "unique-id", PROXY_TLV_UNIQUE_ID },
        { "netns", PROXY_TLV_NETNS },
    };
    size_t digits;

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(z, known[i].name) == 0) {
            return known[i].type;
        }
    }
    if (strncmp(z, "0x", 2) != 0) {
        return -1;
    }
    digits = strspn(z + 2, "0123456789abcdefABCDEF");
    return z[2 + digits] == '\0' && digits >= 1 && digits <= 2 ? (int)strtol(z, NULL, 16) : -1;
}

static int32_t take_forward(const pst_cfg *node, struct pst_str s, struct proxy *out)
{
    int type = type_of(s.p);

    if (type < 0) {
        return cfg_wrong(
            proxy_host, node,
            "\"%s\" is not a type of TLV: alpn, authority, ssl, unique-id, netns, or \"0x00\" to "
            "\"0xff\"",
            s.p);
    }
    if (type == PROXY_TLV_CRC32C || type == PROXY_TLV_NOOP) {
        return cfg_wrong(proxy_host, node,
                         "\"%s\" belongs to the header that brought it and cannot be passed on",
                         s.p);
    }
    out->forward[type] = 1;
    return PST_OK;
}

static int32_t read_edge(const pst_cfg *cfg, struct proxy *out)
{
    uint64_t send = 0;
    int32_t rc = proxy_host->cfg_u64(cfg, "send", &send);
    int32_t tlvs, forward;

    out->send = (uint32_t)send;
    tlvs = each(cfg, "tlvs", out, take_tlv);
    forward = each(cfg, "forward", out, take_forward);
    if ((out->add & PROXY_ADD_CLIENT_CERT) != 0 && (out->add & PROXY_ADD_SSL) == 0) {
        tlvs = cfg_wrong(proxy_host, proxy_host->cfg_get(cfg, "tlvs"),
                         "\"ssl-client-cert\" is a part of \"ssl\": name that too");
    }
    rc = rc != PST_OK ? rc : tlvs;
    return rc != PST_OK ? rc : forward;
}

int32_t proxy_configure(pst_instance *self, const pst_cfg *cfg, struct proxy *out)
{
    struct pst_str chain;
    uint32_t scope = 0;
    int32_t rc = proxy_host->instance_info(self, &chain, &scope);

    if (rc != PST_OK) {
        return rc;
    }
    return scope == PST_SCOPE_LISTENER ? read_accept(cfg, out) : read_edge(cfg, out);
}

void proxy_free(struct proxy *p)
{
    if (p != NULL) {
        free(p->accept);
        free(p);
    }
}
