/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One error space for the core: negative numbers, with texts. */
#ifndef POSTERN_BASE_ERR_H
#define POSTERN_BASE_ERR_H

enum err {
    ERR_OK = 0,
    ERR_NOMEM = -1001,
    ERR_INVALID = -1002, /* malformed value                                  */
    ERR_LIMIT = -1003,   /* larger, longer or more than allowed              */
    ERR_NOT_FOUND = -1004,
    ERR_EXISTS = -1005,
    ERR_SYS = -1006,     /* errno says more                                  */
    ERR_STATE = -1007,
    ERR_CONFIG = -1008,  /* recorded in the configuration's error list       */
    ERR_MODULE = -1009,  /* a module refused or misbehaved                   */
    ERR_TIMEOUT = -1010
};

/* The text of an ERR_* code; static, never NULL. [any] */
const char *err_text(int code);

#endif
