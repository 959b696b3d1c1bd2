/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values of fields as JSON. What has no value is left out, and so is a group without members. */
#include <string.h>

#include "fields.h"
#include "text.h"

/* A byte more than a fragment: its first may be left out. */
struct piece {
    char text[JSON_FRAGMENT + 1];
    uint8_t n;
};

/*
 * ",\"client_ip\":" of each field and ",\"conn\":{" of each group; behind an opening brace the comma
 * is left out. Written in load().
 */
static struct piece keys[EVLOG_FIELDS_MAX], openings[N_GROUPS];

/* A line on its way: which group is open, and whether a comma is due. */
struct out {
    struct json *j;
    enum group open;
    bool comma;
};

static void setup(struct piece *p, const char *key, const char *end)
{
    struct json j = { .p = p->text, .size = JSON_FRAGMENT };

    json_lit(&j, ",");
    json_str(&j, key, strlen(key), JSON_FRAGMENT);
    json_raw(&j, end, strlen(end));
    p->n = (uint8_t)j.n;
}

void fields_setup(void)
{
    for (size_t i = 0; i < EVLOG_FIELDS_MAX && fields[i].name != NULL; i++) {
        const char *dot = strrchr(fields[i].name, '.');

        setup(&keys[i], dot == NULL ? fields[i].name : dot + 1, ":");
    }
    for (size_t g = G_OBJECT + 1; g < N_GROUPS; g++) {
        setup(&openings[g], field_groups[g].key, ":{");
    }
}

/* --- structure -------------------------------------------------------------------------------- */

static bool is_inside(enum group g, enum group outer)
{
    while (g != outer && g != G_OBJECT) {
        g = field_groups[g].in;
    }
    return g == outer;
}

static void put_piece(struct out *o, const struct piece *p)
{
    size_t skip = o->comma ? 0 : 1;

    json_fragment(o->j, p->text + skip, p->n - skip);
}

static void change_group(struct out *o, enum group g)
{
    while (!is_inside(g, o->open)) {
        json_lit(o->j, "}");
        o->open = field_groups[o->open].in;
    }
    if (g == o->open) {
        return;
    }
    if (field_groups[g].in != o->open) {
        change_group(o, field_groups[g].in);
    }
    put_piece(o, &openings[g]);
    o->open = g;
    o->comma = false;
}

/* A value follows: open its group, write its key. */
static struct json *member(struct out *o, size_t i)
{
    if (fields[i].in != o->open) {
        change_group(o, fields[i].in);
    }
    put_piece(o, &keys[i]);
    o->comma = true;
    return o->j;
}

/* --- values ----------------------------------------------------------------------------------- */

static void put_str(struct out *o, size_t i, const struct pst_str *s)
{
    if (s->n > 0) {
        json_str(member(o, i), s->p, s->n, fields[i].most);
    }
}

static void put_bool(struct json *j, bool b)
{
    if (b) {
        json_lit(j, "true");
    } else {
        json_lit(j, "false");
    }
}

/* Of an array of JSON_FRAGMENT or more: text that needs no escape. */
static void put_ascii(struct json *j, const char *p, size_t n)
{
    json_lit(j, "\"");
    if (n <= JSON_FRAGMENT) {
        json_fragment(j, p, n);
    } else {
        json_raw(j, p, n);
    }
    json_lit(j, "\"");
}

/* A name of ours, which needs none either. */
static void put_z(struct out *o, size_t i, const char *z)
{
    if (z != NULL) {
        struct json *j = member(o, i);

        json_lit(j, "\"");
        json_raw(j, z, strlen(z));
        json_lit(j, "\"");
    }
}

static void put_stamp(struct json *j, uint64_t us)
{
    char text[JSON_FRAGMENT];

    text_stamp(text, us);
    put_ascii(j, text, TEXT_STAMP);
}

/* A unix socket has no address: there the name that was configured tells where it is. */
static void put_target(struct out *o, size_t i, const struct pst_record *r)
{
    char text[TEXT_IP_PORT];
    size_t n = text_ip_port(text, &r->upstream);

    if (n > 0) {
        put_ascii(member(o, i), text, n);
    } else {
        put_str(o, i, &r->upstream_name);
    }
}

/* One item of a list up to its comma; a backslash takes the next character as it is. */
static size_t list_item(const char *p, size_t n, char item[NAME_MAX_], size_t *len)
{
    size_t i = 0;

    *len = 0;
    for (; i < n && p[i] != ','; i++) {
        if (p[i] == '\\' && i + 1 < n) {
            i++;
        }
        if (*len < NAME_MAX_) {
            item[(*len)++] = p[i];
        }
    }
    return i < n ? i + 1 : i;
}

/* As many items as fit into the field's limit; "..." stands for the rest. */
static void put_list(struct out *o, size_t i, const struct pst_str *s)
{
    struct json *j = member(o, i);
    size_t begin = j->n, at = 0;

    json_lit(j, "[");
    while (at < s->n) {
        char item[NAME_MAX_];
        size_t n, used = list_item(s->p + at, s->n - at, item, &n);
        size_t before = j->n;

        if (at > 0) {
            json_lit(j, ",");
        }
        json_str(j, item, n, NAME_MAX_);
        at += used;
        if (j->n - begin > fields[i].most) {
            j->n = before;
            if (before - begin > 1) {
                json_lit(j, ",");
            }
            json_lit(j, "\"...\"");
            break;
        }
    }
    json_lit(j, "]");
}

static void put_one_shadow(struct json *j, const struct pst_shadow *s)
{
    static const char *const names[] = { "\"module\":", "\"stage\":", "\"code\":", "\"text\":" };
    const struct pst_str stage = pst_str_of(pst_stage_name(s->stage));
    const struct pst_str *const values[] = { &s->module, &stage, &s->code, &s->text };
    const char *before = "{";

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        if (values[i]->n > 0) {
            json_raw(j, before, 1);
            json_raw(j, names[i], strlen(names[i]));
            json_str(j, values[i]->p, values[i]->n, i == 3 ? NAME_MAX_ : SHORT_MAX);
            before = ",";
        }
    }
    json_lit(j, "}");
}

static void put_shadows(struct out *o, size_t i, const struct pst_record *r)
{
    struct json *j = r->n_shadow > 0 ? member(o, i) : NULL;

    for (uint32_t k = 0; k < r->n_shadow && k < SHADOWS; k++) {
        json_raw(j, k == 0 ? "[" : ",", 1);
        put_one_shadow(j, &r->shadow[k]);
    }
    if (j != NULL) {
        json_lit(j, "]");
    }
}

/* --- variables -------------------------------------------------------------------------------- */

static void put_value(struct out *o, size_t i, const struct pst_value *v)
{
    switch (v->type) {
    case PST_VALUE_STR:
        put_str(o, i, &v->u.str);
        break;
    case PST_VALUE_U64:
        json_u64(member(o, i), v->u.u64);
        break;
    case PST_VALUE_BOOL:
        put_bool(member(o, i), v->u.u64 != 0);
        break;
    case PST_VALUE_BYTES:
        json_hex(member(o, i), v->u.str.p, v->u.str.n < SHORT_MAX ? v->u.str.n : SHORT_MAX);
        break;
    default:
        break;
    }
}

static void put_var(struct out *o, size_t i, int32_t id, pst_conn *conn)
{
    struct pst_value v = { 0 };

    if (evlog_host->var_get(conn, id, &v) != PST_OK) {
        return;
    }
    if (fields[i].from == FROM_LIST && v.type == PST_VALUE_STR) {
        put_list(o, i, &v.u.str);
    } else if (fields[i].from == FROM_TIME && v.type == PST_VALUE_U64) {
        put_stamp(member(o, i), v.u.u64 * 1000000);
    } else {
        put_value(o, i, &v);
    }
}

/* --- the record ------------------------------------------------------------------------------- */

static const void *at(const struct pst_record *r, size_t offset)
{
    return (const char *)r + offset;
}

static uint32_t u32_at(const struct pst_record *r, size_t offset)
{
    return *(const uint32_t *)at(r, offset);
}

static uint64_t u64_at(const struct pst_record *r, size_t offset)
{
    return *(const uint64_t *)at(r, offset);
}

/* Microseconds between two points, when both were reached. */
static void put_span(struct out *o, size_t i, uint64_t from, uint64_t to)
{
    if (from != 0 && to >= from) {
        json_u64(member(o, i), (to - from) / 1000);
    }
}

/* The number of a connection is a text: consumers that read numbers as doubles would round it. */
static void put_id(struct out *o, size_t i, uint64_t id)
{
    struct json *j = member(o, i);

    json_lit(j, "\"");
    json_u64(j, id);
    json_lit(j, "\"");
}

static void put_number(struct out *o, size_t i, uint32_t n)
{
    switch (fields[i].from) {
    case FROM_U32:
        json_u64(member(o, i), n);
        break;
    case FROM_REASON:
        put_z(o, i, pst_end_name(n));
        break;
    case FROM_STAGE:
        put_z(o, i, pst_stage_name(n));
        break;
    case FROM_SIDE:
        put_z(o, i, pst_side_name(n));
        break;
    case FROM_BOOL:
        put_bool(member(o, i), n != 0);
        break;
    case FROM_ERRNO:
        put_z(o, i, n == 0 ? NULL : strerrorname_np((int)n));
        break;
    case FROM_COUNT:
    case FROM_ALERT:
        if (n > 0) {
            json_u64(member(o, i), n - (fields[i].from == FROM_ALERT));
        }
        break;
    default:
        break;
    }
}

static void put_ip(struct out *o, size_t i, const struct pst_addr *a)
{
    char text[TEXT_IP];
    size_t n = text_ip(text, a);

    if (n > 0) {
        put_ascii(member(o, i), text, n);
    }
}

static void put_port(struct out *o, size_t i, const struct pst_addr *a)
{
    if (a->family == PST_AF_INET || a->family == PST_AF_INET6) {
        json_u64(member(o, i), a->port);
    }
}

static void put_field(struct out *o, size_t i, const struct pst_record *r)
{
    const struct field *f = &fields[i];

    switch (f->from) {
    case FROM_STR:
        put_str(o, i, at(r, f->at));
        break;
    case FROM_U64:
        json_u64(member(o, i), u64_at(r, f->at));
        break;
    case FROM_ID:
        put_id(o, i, u64_at(r, f->at));
        break;
    case FROM_IP:
        put_ip(o, i, at(r, f->at));
        break;
    case FROM_PORT:
        put_port(o, i, at(r, f->at));
        break;
    case FROM_SPAN:
        put_span(o, i, u64_at(r, f->at), u64_at(r, f->to));
        break;
    case FROM_START:
        put_stamp(member(o, i), r->wall_start_us);
        break;
    case FROM_END:
        put_stamp(member(o, i), r->wall_start_us + (r->t_end - r->t_accept) / 1000);
        break;
    case FROM_TARGET:
        put_target(o, i, r);
        break;
    case FROM_SHADOW:
        put_shadows(o, i, r);
        break;
    default:
        put_number(o, i, u32_at(r, f->at));
        break;
    }
}

void fields_put(struct json *j, const struct evlog *e, enum evlog_event what,
                const struct pst_record *r, pst_conn *conn)
{
    struct out o = { .j = j, .open = G_OBJECT };

    for (size_t k = 0; k < e->list[what].n; k++) {
        size_t i = e->list[what].at[k];

        if (fields[i].var == NULL) {
            put_field(&o, i, r);
        } else if (fields[i].at == 0 || u64_at(r, fields[i].at) != 0) {
            put_var(&o, i, e->vars[i], conn);
        }
    }
    change_group(&o, G_OBJECT);
}
