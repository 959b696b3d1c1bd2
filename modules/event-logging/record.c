/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A record becomes a line. The table of fields says for each where its value comes from; one that
 * has no value is left out, and so is a group without members.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "evlog.h"
#include "fields.h"
#include "json.h"
#include "text.h"

/* Digits of the parts of an event id: time, process, number. */
#define ID_TIME    11
#define ID_PROCESS 6
#define ID_NUMBER  10
/* Longest value of account_id. */
#define ACCOUNT_MAX 128

/* Begins every line; the rest of the envelope has a fixed length. */
#define LINE_ENDS 256

_Static_assert(LINE_ENDS + ACCOUNT_MAX + FIELDS_SPACE <= EVLOG_LINE_MAX, "a line fits");

/* Random, the same for all events of a process. Set in load(). */
static uint64_t process;

void record_setup(void)
{
    if (getrandom(&process, sizeof(process), 0) != (ssize_t)sizeof(process)) {
        process = evlog_host->wall_us() ^ (uint64_t)getpid() << 20;
    }
    fields_setup();
}

/* "ev_", then digits that sort like the time; connection and event make it unique. */
static void put_id(struct json *j, uint64_t us, uint64_t number)
{
    char id[ID_TIME + ID_PROCESS + ID_NUMBER];

    text_base32(id, ID_TIME, us);
    text_base32(id + ID_TIME, ID_PROCESS, process);
    text_base32(id + ID_TIME + ID_PROCESS, ID_NUMBER, number);
    json_raw(j, id, sizeof(id));
}

static void put_envelope(struct json *j, const char *type, uint64_t us, uint64_t number,
                         const struct pst_str *account)
{
    char stamp[TEXT_STAMP];

    json_lit(j, "{\"event_id\":\"ev_");
    put_id(j, us, number);
    json_lit(j, "\",\"event_type\":\"");
    json_raw(j, type, strlen(type));
    json_lit(j, "\",\"event_timestamp\":\"");
    text_stamp(stamp, us);
    json_raw(j, stamp, sizeof(stamp));
    json_lit(j, "\"");
    if (account->n > 0) {
        json_lit(j, ",\"account_id\":");
        json_str(j, account->p, account->n, ACCOUNT_MAX);
    }
    json_lit(j, ",\"principal\":null,\"object\":{");
}

size_t record_line(const struct evlog *e, enum evlog_event what, const struct pst_record *r,
                   pst_conn *conn, char buf[EVLOG_LINE_MAX])
{
    struct json j = { .p = buf, .size = EVLOG_LINE_MAX };
    uint64_t us = r->wall_start_us + (r->t_end - r->t_accept) / 1000;

    put_envelope(&j, evlog_event_name(what), us, r->conn_id << 1 | (what == EVLOG_OPENED),
                 &e->account);
    fields_put(&j, e, what, r, conn);
    json_lit(&j, "}}");
    return j.full ? 0 : j.n;
}

size_t record_lost(char *buf, size_t n, uint64_t lost)
{
    static atomic_ullong told;
    static const struct pst_str none;
    struct json j = { .p = buf, .size = n };

    /* All ones in front: no connection has such a number. */
    put_envelope(&j, "events_lost.v0", evlog_host->wall_us(),
                 UINT64_MAX - atomic_fetch_add(&told, 1), &none);
    json_lit(&j, "\"count\":");
    json_u64(&j, lost);
    json_lit(&j, "}}");
    return j.full ? 0 : j.n;
}
