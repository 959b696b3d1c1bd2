/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_host *rig_host;
struct fake_module *rig_module;
struct fake_inst *rig_in, *rig_out;
struct pst_preface rig_shown;

void rig_setup(void)
{
    char so[512];
    const char *modules = getenv("MODULE_DIR");

    snprintf(so, sizeof(so), "%s/proxy-protocol.so", modules != NULL ? modules : ".");
    rig_host = fake_host_new();
    rig_module = fake_module_load(rig_host, so);
    ck_assert_msg(rig_module != NULL, "%s", fake_host_transcript(rig_host));
    rig_in = rig_out = NULL;
}

void rig_teardown(void)
{
    fake_inst_free(rig_in);
    fake_inst_free(rig_out);
    fake_host_free(rig_host);
}

struct fake_inst *rig_make(uint32_t scope, const char *config)
{
    struct fake_inst *i = fake_inst_new(rig_module, scope, "chain", config);

    ck_assert_msg(i != NULL, "%s", fake_host_transcript(rig_host));
    ck_assert_int_eq(fake_inst_link(i), PST_OK);
    return i;
}

void rig_refuses(uint32_t scope, const char *config, const char *text)
{
    fake_host_forget(rig_host);
    ck_assert_ptr_null(fake_inst_new(rig_module, scope, "chain", config));
    ck_assert_msg(fake_host_saw(rig_host, text), "no \"%s\" in: %s", text,
                  fake_host_transcript(rig_host));
}

static void set_addr(pst_conn *c, const char *name, uint8_t a, uint16_t port)
{
    struct pst_value v = { .type = PST_VALUE_ADDR };

    v.u.addr = (struct pst_addr){ .family = PST_AF_INET, .port = port, .ip = { 10, 0, 0, a } };
    fake_conn_set(c, name, &v);
}

pst_conn *rig_conn(void)
{
    pst_conn *c = fake_conn_new(rig_host);
    struct pst_value id = { .type = PST_VALUE_U64 };

    id.u.u64 = 1025;
    fake_conn_set(c, "conn.id", &id);
    set_addr(c, "conn.peer_ip", 1, 1000);
    set_addr(c, "conn.client_ip", 1, 1000);
    set_addr(c, "conn.local_ip", 2, 443);
    return c;
}

int32_t rig_preface(pst_conn *c, const void *bytes, size_t n, uint32_t eof)
{
    rig_shown =
        (struct pst_preface){ .size = sizeof(rig_shown), .eof = eof, .data = bytes, .len = n };
    return fake_conn_run(c, rig_in, PST_STAGE_PREFACE, &rig_shown);
}

static const char tlvs[] =
    "\x02\0\6a.test\x01\0\2h2\x05\0\3id7\x30\0\2ns\xea\0\3vpc\x20\0\x17\7\0\0\0\2"
    "\x21\0\7TLSv1.3\x22\0\x02"
    "cn\x28\0\0";

void rig_receive(pst_conn *c)
{
    const size_t n = sizeof(tlvs) - 1;
    uint8_t header[28 + sizeof(tlvs)];

    memcpy(header, SIG "\x21\x11", 14);
    header[14] = (uint8_t)((12 + n) >> 8);
    header[15] = (uint8_t)(12 + n);
    memcpy(header + 16, "\xc6\x33\x64\7\xcb\0\x71\1\x12\x67\1\xbb", 12);
    memcpy(header + 28, tlvs, n);
    ck_assert_msg(rig_preface(c, header, 28 + n, 0) == PST_NEXT, "%s", fake_conn_deny_text(c));
}
