/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conn_limits_rig.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

struct fake_host *host;
struct fake_module *module;

void setup(void)
{
    char so[512];
    const char *modules = getenv("MODULE_DIR");

    snprintf(so, sizeof(so), "%s/conn-limits.so", modules != NULL ? modules : ".");
    host = fake_host_new();
    module = fake_module_load(host, so);
    ck_assert_msg(module != NULL, "%s", fake_host_transcript(host));
}

void teardown(void)
{
    fake_host_free(host);
}

struct fake_inst *make(uint32_t scope, const char *config)
{
    struct fake_inst *i = fake_inst_new(module, scope, "api", config);

    ck_assert_msg(i != NULL, "%s", fake_host_transcript(host));
    return i;
}

int64_t metric(const char *name)
{
    return fake_host_metric(host, "conn-limits", name);
}

pst_conn *from(const char *ip)
{
    pst_conn *c = fake_conn_new(host);

    fake_conn_set_ip(c, "conn.client_ip", ip);
    return c;
}

pst_conn *admitted(struct fake_inst *i, const char *ip)
{
    pst_conn *c = from(ip);

    ck_assert_int_eq(fake_conn_run(c, i, PST_STAGE_ADMIT, NULL), PST_NEXT);
    return c;
}

void refused(struct fake_inst *i, uint32_t stage, const char *ip, const char *code,
             const char *text)
{
    pst_conn *c = from(ip);

    ck_assert_int_eq(fake_conn_run(c, i, stage, NULL), PST_DENY);
    ck_assert_str_eq(fake_conn_deny_code(c), code);
    ck_assert_str_eq(fake_conn_deny_text(c), text);
    fake_conn_end(c, NULL);
}

void passes(struct fake_inst *i, const char *ip)
{
    fake_conn_end(admitted(i, ip), NULL);
}

void fails(struct fake_inst *i, const char *ip, uint32_t reason)
{
    struct pst_record r = { .size = sizeof(r), .reason = reason };
    pst_conn *c = from(ip);
    unsigned a = 0, b = 0, d = 0, e = 0;

    ck_assert_int_eq(sscanf(ip, "%u.%u.%u.%u", &a, &b, &d, &e), 4);
    r.client.family = PST_AF_INET;
    r.client.ip[0] = (uint8_t)a;
    r.client.ip[1] = (uint8_t)b;
    r.client.ip[2] = (uint8_t)d;
    r.client.ip[3] = (uint8_t)e;
    ck_assert_int_eq(fake_conn_run(c, i, PST_STAGE_ACCEPT, NULL), PST_NEXT);
    fake_conn_end(c, &r);
}
