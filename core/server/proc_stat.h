/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the process uses, for metrics. [main] */
#ifndef POSTERN_SERVER_PROC_STAT_H
#define POSTERN_SERVER_PROC_STAT_H

#include <stdint.h>

/* 0: not known, because /proc cannot be read. */
struct proc_stat {
    uint64_t cpu_ns, open_fds, max_fds, rss, virt;
};

/* Open what is needed while that is still allowed. Closes at exit. */
void proc_stat_open(void);
void proc_stat_read(struct proc_stat *st);
void proc_stat_close(void);

#endif
