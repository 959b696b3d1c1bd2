/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What posternctl makes of a reply: rows and tables. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/ctl/row.h"
#include "core/ctl/table.h"

static char line[4096];
static struct row r;

static int parse(const char *z)
{
    strcpy(line, z);
    return row_parse(line, &r);
}

START_TEST(rows)
{
    ck_assert_int_eq(parse("{}"), ERR_OK);
    ck_assert_uint_eq(r.n, 0);
    ck_assert_int_eq(
        parse("{\"a\":\"b\",\"n\":-1.5,\"yes\":true,\"no\":false,\"list\":[\"x\",\"y\"],"
              "\"empty\":[],\"none\":\"\"}"),
        ERR_OK);
    ck_assert_uint_eq(r.n, 7);
    ck_assert_str_eq(row_get(&r, "a"), "b");
    ck_assert_str_eq(row_get(&r, "n"), "-1.5");
    ck_assert(row_is_true(&r, "yes"));
    ck_assert(!row_is_true(&r, "no"));
    ck_assert(!row_is_true(&r, "absent"));
    ck_assert_str_eq(row_get(&r, "list"), "x,y");
    ck_assert_str_eq(row_get(&r, "empty"), "");
    ck_assert_str_eq(row_get(&r, "none"), "");
    ck_assert_ptr_null(row_get(&r, "absent"));
    ck_assert_int_eq(parse("{\"a\":\"\\\"\\\\ \\u001b[2J\\u009b \\ufffd \xc3\xa9\"}"), ERR_OK);
    ck_assert_str_eq(row_get(&r, "a"), "\"\\ \\x1b[2J\\x9b ? \xc3\xa9");
}
END_TEST

START_TEST(bad_rows)
{
    static const char *const lines[] = {
        "",
        "x",
        "{",
        "}",
        "{}x",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":\"}",
        "{\"a\":1",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\":[}",
        "{\"a\":[1]}",
        "{\"a\":[\"x\"",
        "{\"a\":[\"x\",]}",
        "{\"a\":{}}",
        "{\"a\":\"\\n\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\u00g0\"}",
        "{\"a\":\"\x1b\"}",
        "{\"a\":\"\xc2\x9b\"}",
        "{\"a\":\"\x7f\"}",
        "{\"a\" :1}",
        "{\"a\":1 }",
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        ck_assert_msg(parse(lines[i]) == ERR_INVALID, "%s", lines[i]);
    }
}
END_TEST

START_TEST(many_fields)
{
    char many[4096] = "{", *at = many + 1;

    for (int i = 0; i < ROW_FIELDS_MAX + 8; i++) {
        at += sprintf(at, "%s\"k%d\":%d", i == 0 ? "" : ",", i, i);
    }
    strcpy(at, "}");
    ck_assert_int_eq(parse(many), ERR_OK);
    ck_assert_uint_eq(r.n, ROW_FIELDS_MAX);
    ck_assert_str_eq(row_get(&r, "k31"), "31");
}
END_TEST

START_TEST(cells)
{
    static const struct {
        enum cell_kind kind;
        const char *value, *text;
    } known[] = {
        { CELL_TEXT, "x", "x" },
        { CELL_TEXT, NULL, "-" },
        { CELL_TEXT, "", "-" },
        { CELL_NUMBER, "12", "12" },
        { CELL_YES, "true", "yes" },
        { CELL_YES, "false", "" },
        { CELL_BYTES, "0", "0" },
        { CELL_BYTES, "999", "999" },
        { CELL_BYTES, "1000", "1.0k" },
        { CELL_BYTES, "99999", "99.9k" },
        { CELL_BYTES, "100000", "100k" },
        { CELL_BYTES, "999999", "999k" },
        { CELL_BYTES, "1000000", "1.0M" },
        { CELL_BYTES, "18446744073709551615", "18.4E" },
        { CELL_BYTES, "many", "many" },
        { CELL_MS, "0", "0ms" },
        { CELL_MS, "999", "999ms" },
        { CELL_MS, "1000", "1.0s" },
        { CELL_MS, "59999", "59.9s" },
        { CELL_MS, "60000", "1m00s" },
        { CELL_MS, "3599999", "59m59s" },
        { CELL_MS, "3600000", "1h00m" },
        { CELL_MS, "86400000", "1d00h" },
        { CELL_MS, "18446744073709551615", "213503982334d14h" },
    };
    char out[32];

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        ck_assert_str_eq(cell_text(known[i].kind, known[i].value, out, sizeof(out)), known[i].text);
    }
}
END_TEST

static const struct column columns[] = {
    { "NAME", "name", CELL_TEXT },
    { "BYTES", "n", CELL_BYTES },
    { "LAST", "last", CELL_TEXT },
    { NULL, NULL, CELL_TEXT },
};

START_TEST(tables)
{
    char *out = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&out, &n);
    struct table *t = table_new(columns, f);

    ck_assert_int_eq(parse("{\"name\":\"a\",\"n\":1234,\"last\":\"x\"}"), ERR_OK);
    ck_assert_int_eq(table_add(t, &r), ERR_OK);
    ck_assert_int_eq(parse("{\"name\":\"longer\xc3\xa9\",\"n\":5}"), ERR_OK);
    ck_assert_int_eq(table_add(t, &r), ERR_OK);
    table_flush(t);
    ck_assert_int_eq(parse("{\"name\":\"later\"}"), ERR_OK);
    ck_assert_int_eq(table_add(t, &r), ERR_OK);
    table_flush(t);
    ck_assert_int_eq(table_add(t, &r), ERR_OK);
    table_free(t); /* what was not shown is freed */
    fclose(f);
    ck_assert_str_eq(out, "NAME     BYTES  LAST\n"
                          "a         1.2k  x\n"
                          "longer\xc3\xa9      5  -\n"
                          "later        -  -\n");
    free(out);
}
END_TEST

/* Many rows are shown in between; one cell cannot push the others off the screen. */
START_TEST(big_tables)
{
    char *out = NULL, *at;
    size_t n = 0, lines = 0;
    FILE *f = open_memstream(&out, &n);
    struct table *t = table_new(columns, f);
    char text[512];

    for (int i = 0; i < 1201; i++) {
        snprintf(text, sizeof(text), "{\"name\":\"%0*d\",\"n\":%d}", i == 7 ? 300 : 1, i, i);
        ck_assert_int_eq(parse(text), ERR_OK);
        ck_assert_int_eq(table_add(t, &r), ERR_OK);
    }
    table_flush(t);
    table_free(t);
    fclose(f);
    for (at = out; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    ck_assert_uint_eq(lines, 1202);
    ck_assert_uint_eq((size_t)(strchr(out, '\n') - out), 48 + 2 + 5 + 2 + 4);
    free(out);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("table");
    TCase *tc = tcase_create("table");

    tcase_add_test(tc, rows);
    tcase_add_test(tc, bad_rows);
    tcase_add_test(tc, many_fields);
    tcase_add_test(tc, cells);
    tcase_add_test(tc, tables);
    tcase_add_test(tc, big_tables);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}
