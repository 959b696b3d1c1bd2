/* SPDX-License-Identifier: MIT-0 */
/* What an authorisation server is asked. Pure. */
#ifndef EXT_AUTH_REQUEST_H
#define EXT_AUTH_REQUEST_H

#include <postern_module.h>

/*
 * Write the question, one line of JSON, into text. A name that is empty, or not plain ASCII without
 * quotes and backslashes, is left out. The length, 0: it does not fit into `room`.
 */
size_t request_write(char *text, size_t room, struct pst_str client, struct pst_str sni,
                     struct pst_str edge);

#endif
