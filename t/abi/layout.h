/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef POSTERN_T_ABI_LAYOUT_H
#define POSTERN_T_ABI_LAYOUT_H

/* Print all public constants. */
void layout_print_values(void);

#endif
