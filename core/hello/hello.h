/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ClientHello parser: pure, incremental, over any TCP segmentation and any TLS record
 * fragmentation (RFC 8446 sections 4, 4.1.2, 5.1), bounded at 64 KiB.
 */
#ifndef POSTERN_HELLO_HELLO_H
#define POSTERN_HELLO_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/name.h"
#include "plugin-api/pst_hooks.h"

/* Largest handshake message accepted, its 4-byte header included. */
#define HELLO_MAX (64 * 1024)
/* Most bytes on the wire that can belong to such a message: each record adds 5 bytes. */
#define HELLO_WIRE_MAX (HELLO_MAX * 6)

/* First byte of a TLS handshake record (RFC 8446 section 5.1). */
#define HELLO_RECORD_TYPE 22

/* What hello_feed() answers. Everything negative refuses; none of them may be routed. */
enum hello_status {
    HELLO_DONE = 0,
    HELLO_MORE = 1,
    HELLO_NOT_TLS = -1,  /* the first byte is no handshake record                              */
    HELLO_BAD = -2,      /* malformed: alert decode_error (50)                                 */
    HELLO_TOO_LARGE = -3, /* over HELLO_MAX: alert decode_error (50)                            */
    HELLO_BAD_NAME = -4, /* the SNI is no host name, or more than one: unrecognized_name (112) */
    HELLO_NOMEM = -5
};

struct hello_reader {
    struct buf msg;    /* handshake bytes without record headers: grows with what arrived      */
    uint8_t head[5];   /* record header being collected                                        */
    uint8_t head_n;
    bool fragmented;
    uint16_t left;     /* bytes left in the current record                                     */
    uint32_t records;
    size_t consumed;   /* wire bytes up to the end of the message                              */
    int status;        /* last answer; sticky unless HELLO_MORE                                */
    const char *why;   /* static text for an error, for the log                                */
    bool has_sni;
    char sni[NAME_MAX_LEN + 1];
    struct pst_hello out; /* filled at HELLO_DONE; points into msg, sni and lists              */
    void *lists;       /* one allocation for all decoded lists                                 */
};

void hello_init(struct hello_reader *r);
void hello_free(struct hello_reader *r);

/*
 * Feed the next bytes of the connection. Errors are found as early as the bytes allow. After
 * HELLO_DONE r->out is valid until hello_free(), r->consumed tells how many wire bytes the
 * message took; bytes after it (rest of the record, early data) are ignored.
 */
int hello_feed(struct hello_reader *r, const uint8_t *p, size_t n);

/* Parse a complete handshake message (4-byte header included). For tests and fuzzing. */
int hello_parse(struct hello_reader *r);

#endif
