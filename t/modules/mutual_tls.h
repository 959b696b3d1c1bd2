/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of mutual-tls share: files, a consumer of its service, and instances of both. */
#ifndef POSTERN_T_MODULES_MUTUAL_TLS_H
#define POSTERN_T_MODULES_MUTUAL_TLS_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_host.h"
#include "services/tls_client_auth.h"

/* Blocks that hold one DER sequence each: all that can be asked of them without an engine. */
#define BLOCK(label, base64) "-----BEGIN " label "-----\n" base64 "\n-----END " label "-----\n"
#define CERT_1               BLOCK("CERTIFICATE", "MAYCAQECAQI=")
#define CERT_2               BLOCK("CERTIFICATE", "MAYCAQECAQM=")
#define CRL_1                BLOCK("X509 CRL", "MAYCAQECAQI=")
#define CRL_2                BLOCK("X509 CRL", "MAYCAQECAQM=")

#define HEX_A   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define COLON_8 "BB:BB:BB:BB:BB:BB:BB:BB"
#define COLON_B COLON_8 ":" COLON_8 ":" COLON_8 ":" COLON_8

static struct fake_host *host;
static struct fake_module *module, *reader;
static char dir[256];

/* --- a module that consumes the service, as a terminator does --------------------------------- */

static const struct pst_host *reader_host;
static const struct pst_tls_client_auth *published;

static int32_t reader_load(const struct pst_host *h)
{
    reader_host = h;
    return PST_OK;
}

static int32_t reader_init(pst_instance *self, const pst_cfg *cfg, void **inst)
{
    (void)cfg;
    *inst = self;
    return PST_OK;
}

static void reader_found(void *arg, const void *table)
{
    (void)arg;
    published = table;
}

static int32_t reader_link(void *inst)
{
    return reader_host->find_each(inst, PST_TLS_CLIENT_AUTH, reader_found, NULL) < 0 ? PST_ERR
                                                                                     : PST_OK;
}

static const struct pst_hooks reader_hooks = {
    .size = sizeof(reader_hooks),
    .init = reader_init,
    .link = reader_link,
};
static const struct pst_module reader_module = {
    PST_MODULE_HEAD(0, 0),
    .name = "reader",
    .version = "1",
    .scopes = PST_SCOPE_EDGE,
    .option_size = sizeof(struct pst_option),
    .hooks = &reader_hooks,
    .load = reader_load,
};

/* --- fixture ---------------------------------------------------------------------------------- */

static void put_file(const char *name, const char *text)
{
    char path[512];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static void setup(void)
{
    char so[512];
    const char *modules = getenv("MODULE_DIR"), *tmp = getenv("TMPDIR");

    snprintf(so, sizeof(so), "%s/mutual-tls.so", modules != NULL ? modules : ".");
    snprintf(dir, sizeof(dir), "%s/postern-mtls-XXXXXX", tmp != NULL ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    put_file("ca.pem", "a comment\n" CERT_1);
    put_file("two.pem", CERT_1 CERT_2);
    put_file("crl.pem", CRL_1);
    put_file("empty.pem", "");
    put_file("cut.pem", CERT_1 "-----BEGIN CERTIFICATE-----\nMAYCAQEC\n");
    put_file("bad.pem", CERT_1 BLOCK("CERTIFICATE", "MAYC*QECAQI="));
    put_file("short.pem", BLOCK("CERTIFICATE", "MAcCAQECAQI="));
    put_file("key.pem", BLOCK("PRIVATE KEY", "MAYCAQECAQI="));
    host = fake_host_new();
    module = fake_module_load(host, so);
    ck_assert_msg(module != NULL, "%s", fake_host_transcript(host));
    reader = fake_module_add(host, &reader_module);
    ck_assert_ptr_nonnull(reader);
    published = NULL;
}

static void teardown(void)
{
    static const char *const files[] = { "ca.pem",  "two.pem", "crl.pem",   "empty.pem",
                                         "cut.pem", "bad.pem", "short.pem", "key.pem" };
    char path[512];

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
        unlink(path);
    }
    rmdir(dir);
    fake_host_free(host);
}

/* "%s" in a configuration is the folder of the files. */
static struct fake_inst *make(const char *config)
{
    char text[4096];
    size_t n = 0;

    for (const char *p = config; *p != '\0' && n < sizeof(text) - 1; p++) {
        if (p[0] == '%' && p[1] == 's') {
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", dir);
            p++;
        } else {
            text[n++] = *p;
        }
    }
    text[n] = '\0';
    return fake_inst_new(module, PST_SCOPE_EDGE, "api", text);
}

/* An instance with its consumer; `published` is its table. */
struct chain {
    struct fake_inst *mtls, *reader;
};

static struct chain start(const char *config)
{
    struct chain c;

    c.mtls = make(config);
    ck_assert_msg(c.mtls != NULL, "%s\n%s", config, fake_host_transcript(host));
    c.reader = fake_inst_new(reader, PST_SCOPE_EDGE, "api", "");
    ck_assert_int_eq(fake_inst_link(c.mtls), PST_OK);
    ck_assert_int_eq(fake_inst_link(c.reader), PST_OK);
    ck_assert_ptr_nonnull(published);
    return c;
}

static void stop(struct chain c)
{
    fake_inst_free(c.reader);
    fake_inst_free(c.mtls);
}

#define CA "ca = [ \"%s/ca.pem\" ]; "

#endif
