/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/server/proc_stat.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

/* Kept open: a confined process cannot open them later. */
static DIR *fds;
static int statm = -1;

void proc_stat_open(void)
{
    fds = opendir("/proc/self/fd");
    statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
}

void proc_stat_close(void)
{
    if (fds != NULL) {
        closedir(fds);
        fds = NULL;
    }
    if (statm >= 0) {
        close(statm);
        statm = -1;
    }
}

static uint64_t count_fds(void)
{
    uint64_t n = 0;

    if (fds == NULL) {
        return 0;
    }
    rewinddir(fds);
    for (const struct dirent *d = readdir(fds); d != NULL; d = readdir(fds)) {
        n += d->d_name[0] != '.';
    }
    return n;
}

static void memory(struct proc_stat *st)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    unsigned long size = 0, resident = 0;
    char text[128];
    ssize_t n = statm < 0 ? -1 : pread(statm, text, sizeof(text) - 1, 0);

    if (n <= 0) {
        return;
    }
    text[n] = '\0';
    if (sscanf(text, "%lu %lu", &size, &resident) == 2) {
        st->virt = size * page;
        st->rss = resident * page;
    }
}

static uint64_t ns(const struct timeval *tv)
{
    return (uint64_t)tv->tv_sec * 1000000000 + (uint64_t)tv->tv_usec * 1000;
}

void proc_stat_read(struct proc_stat *st)
{
    struct rusage use;
    struct rlimit files;

    *st = (struct proc_stat){ .open_fds = count_fds() };
    memory(st);
    if (getrusage(RUSAGE_SELF, &use) == 0) {
        st->cpu_ns = ns(&use.ru_utime) + ns(&use.ru_stime);
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        st->max_fds = files.rlim_cur;
    }
}
