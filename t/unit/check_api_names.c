/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of ends, stages and sides. */
#include <check.h>
#include <strings.h>

#include "core/conn/conn.h"
#include "core/module/chain.h"
#include "plugin-api/pst_names.h"

/* A name is its constant in lower case. */
static const struct {
    uint32_t number;
    const char *constant;
} ends[] = {
#define END(x)                                                                                     \
    {                                                                                              \
        PST_END_##x, #x                                                                            \
    }
    END(CLIENT_FIN), END(UPSTREAM_FIN), END(IDLE), END(DENIED), END(HELLO_TIMEOUT),
    END(BAD_HELLO), END(HELLO_TOO_LARGE), END(NO_SNI), END(UNKNOWN_SNI), END(NOT_TLS),
    END(HANDSHAKE_FAILED), END(HANDSHAKE_TIMEOUT), END(CONNECT_FAILED), END(UPSTREAM_TLS_FAILED),
    END(RESET), END(DRAINED), END(KILLED), END(OVERLOAD), END(INTERNAL),
}, stages[] = {
#define STAGE(x)                                                                                   \
    {                                                                                              \
        PST_STAGE_##x, "ON_" #x                                                                    \
    }
    STAGE(ACCEPT), STAGE(PREFACE), STAGE(CLIENT_HELLO), STAGE(ADMIT), STAGE(TRANSPORT),
    STAGE(HANDSHAKE_DONE), STAGE(UPSTREAM), STAGE(UPSTREAM_READY), STAGE(ESTABLISHED),
    STAGE(CLOSE), { PST_STAGE_CONN_FINI, "CONN_FINI" },
};

#define N(a) (sizeof(a) / sizeof((a)[0]))

START_TEST(names_of_ends_and_stages)
{
    for (size_t i = 0; i < N(ends); i++) {
        ck_assert_int_eq(strcasecmp(pst_end_name(ends[i].number), ends[i].constant), 0);
    }
    ck_assert_ptr_null(pst_end_name(0));
    ck_assert_ptr_null(pst_end_name(N(ends) + 1));
    ck_assert_uint_eq(N(stages), CHAIN_STAGES - 1);
    for (size_t i = 0; i < N(stages); i++) {
        ck_assert_int_eq(strcasecmp(pst_stage_name(stages[i].number), stages[i].constant), 0);
    }
    ck_assert_ptr_null(pst_stage_name(0));
    ck_assert_ptr_null(pst_stage_name(CHAIN_STAGES));
    ck_assert_str_eq(stage_name(CHAIN_STAGES), "?");
    ck_assert_str_eq(conn_reason_name(PST_END_RESET), "reset");
    ck_assert_str_eq(conn_reason_name(0), "unknown");
    ck_assert_str_eq(pst_side_name(PST_SIDE_CLIENT), "client");
    ck_assert_str_eq(pst_side_name(PST_SIDE_UPSTREAM), "upstream");
    ck_assert_str_eq(pst_side_name(0), "proxy");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("api_names");
    TCase *t = tcase_create("api_names");

    tcase_add_test(t, names_of_ends_and_stages);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
