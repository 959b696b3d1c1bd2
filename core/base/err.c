/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/base/err.h"

const char *err_text(int code)
{
    switch (code) {
    case ERR_OK:
        return "success";
    case ERR_NOMEM:
        return "out of memory";
    case ERR_INVALID:
        return "malformed value";
    case ERR_LIMIT:
        return "too large, too long or too many";
    case ERR_NOT_FOUND:
        return "not found";
    case ERR_EXISTS:
        return "exists already";
    case ERR_SYS:
        return "system call failed";
    case ERR_STATE:
        return "not possible in this state";
    case ERR_CONFIG:
        return "configuration error";
    case ERR_MODULE:
        return "module error";
    case ERR_TIMEOUT:
        return "timed out";
    default:
        return "unknown error";
    }
}
