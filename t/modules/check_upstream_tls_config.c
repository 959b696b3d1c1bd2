/* SPDX-License-Identifier: GPL-2.0-or-later */
/* upstream-tls through the fake host: its configuration. */
#include "tls_rig.h"

#include <string.h>

#define CA   "ca = [ \"%s/ca.pem\" ]; "
#define A    CA "server_name = \"a.test\"; "
#define CRED "certificate = \"%s/client.pem\"; key = \"%s/client.key\"; "

static const struct {
    const char *config, *says;
} wrong[] = {
    { "ca = [];", "would trust nobody" },
    { "ca = [ \"%s/none.pem\" ];", "none.pem: No such file" },
    { "ca = [ \"%s\" ];", "not a regular file" },
    { "ca = [ \"%s/a.key\" ];", "no certificate in it" },
    { "ca = [ \"%s/damaged.pem\" ];", "damaged.pem" },
    { "ca = [ \"%s/old-ca.pem\" ];", "old-ca.pem: certificate 1" },
    { "ca = [ \"%s/ca.pem\", \"%s/none.pem\" ];", "No such file" },
    { "ca = \"%s/ca.pem\";", "list" },
    { "verify = false; " CA, "\"ca\" has no meaning with verify = false" },
    { CA "server_name = \"\";", "server_name" },
    { CA "server_name = \"a b\";", "neither a host name nor an IP address" },
    { CA "server_name = \"*.a.test\";", "neither a host name" },
    { CA "server_name = \"a..test\";", "neither a host name" },
    { CA "server_name = \".\";", "neither a host name" },
    { CA "server_name = \"b\xc3\xbc"
         "cher.test\";",
      "neither a host name" },
    { CA "certificate = \"%s/client.pem\";", "\"key\" is missing" },
    { CA "key = \"%s/client.key\";", "\"certificate\" is missing" },
    { CA "certificate = \"%s/client.pem\"; key = \"%s/a.key\";", "does not belong" },
    { CA "certificate = \"%s/client.pem\"; key = \"%s/open.key\";", "group or others may use" },
    { CA "min_version = \"1.3\"; max_version = \"1.2\";", "newer than max_version" },
    { CA "ciphers = [ \"RC4-SHA\" ];", "not among the cipher suites" },
    { CA "groups = [ \"P-192\" ];", "not among the groups" },
    { CA "alpn = [ \"client\", \"h2\" ];", "stands alone" },
    { CA "alpn = [];", "empty list" },
    { CA "targets = \"some\";", "targets" },
    { CA "depth = 3;", "depth" },
};

START_TEST(wrong_configurations_are_refused)
{
    ck_assert_msg(rig_make(wrong[_i].config) == NULL, "accepted: %s", wrong[_i].config);
    ck_assert_msg(fake_host_saw(rig_host, wrong[_i].says), "%s\nsays\n%s", wrong[_i].config,
                  fake_host_transcript(rig_host));
}
END_TEST

static const char *const right[] = {
    CA,
    A CRED "min_version = \"1.3\"; alpn = [ \"h2\" ]; sessions = false;",
    "ca = [ \"%s/ca.pem\", \"%s/other-ca.pem\" ]; server_name = \"::1\";",
    CA "server_name = \"A.Test.\"; targets = \"tls\"; alpn = [ \"client\" ];",
    "verify = false;",
};

START_TEST(right_configurations_are_taken)
{
    struct fake_inst *i = rig_make(right[_i]);

    ck_assert_msg(i != NULL, "%s\n%s", right[_i], fake_host_transcript(rig_host));
    ck_assert_int_eq(fake_inst_link(i), PST_OK);
    ck_assert_int_eq(fake_host_saw(rig_host, "can read and change everything"),
                     strstr(right[_i], "verify = false") != NULL);
    fake_inst_free(i);
}
END_TEST

static const char script[] =
    "{ openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=old "
    "  -keyout old-ca.key -out fresh.pem; openssl x509 -in fresh.pem -signkey old-ca.key -days -1 "
    "  -out old-ca.pem\n"
    "cp a.key open.key; chmod 644 open.key; head -c 300 ca.pem >damaged.pem; } >make.log 2>&1";

static void add(TCase *t)
{
    tcase_add_loop_test(t, wrong_configurations_are_refused, 0, sizeof(wrong) / sizeof(wrong[0]));
    tcase_add_loop_test(t, right_configurations_are_taken, 0, sizeof(right) / sizeof(right[0]));
}

int main(void)
{
    rig_module = "upstream-tls";
    return rig_main("upstream_tls_config", script, add);
}
