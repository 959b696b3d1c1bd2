/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports for servers of tests that run side by side. */
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "t/tools/tcp_peer.h"

enum { PORTS_MAX = 64, PORT_FIRST = 10000, TRIES = 1000 };

/* Ephemeral ports begin here: those below are never given to an outgoing connection. */
static unsigned ephemeral_low(void)
{
    FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");
    unsigned low = 0;

    if (f != NULL) {
        if (fscanf(f, "%u", &low) != 1) {
            low = 0;
        }
        fclose(f);
    }
    return low > PORT_FIRST + 1000 ? low : 32768;
}

/*
 * A port is reserved by a unix socket in the abstract name space: nobody else gets the name as
 * long as some process has it, and none is left over.
 */
static int reserve(unsigned port)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int n = snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "postern-test-port-%u", port);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && bind(fd, (struct sockaddr *)&a,
                        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Whether nothing uses the port now, at any address. */
static bool is_unused(unsigned port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

    if (fd >= 0) {
        close(fd);
    }
    return good;
}

/* Keep what this process has open as long as the user lives. */
static enum peer_status hold(pid_t user)
{
    struct pollfd end = { .fd = (int)syscall(SYS_pidfd_open, user, 0), .events = POLLIN };
    pid_t pid;

    if (end.fd < 0) {
        perror("--free-port: the process that uses them");
        return PEER_FAILED;
    }
    pid = fork();
    if (pid != 0) {
        return pid > 0 ? PEER_OK : PEER_FAILED;
    }
    /* Whoever reads the numbers waits for the end of the output. */
    for (int fd = 0; fd < 3; fd++) {
        close(fd);
        open("/dev/null", O_RDWR);
    }
    poll(&end, 1, -1);
    _exit(0);
}

enum peer_status peer_free_ports(unsigned n, pid_t user)
{
    unsigned range = ephemeral_low() - PORT_FIRST;

    if (n == 0 || n > PORTS_MAX) {
        return PEER_USAGE;
    }
    for (unsigned tries = 0; n > 0; tries++) {
        unsigned port;
        int fd;

        if (tries > TRIES || getrandom(&port, sizeof(port), 0) < 0) {
            perror("--free-port");
            return PEER_FAILED;
        }
        port = PORT_FIRST + port % range;
        fd = reserve(port);
        if (fd >= 0 && is_unused(port)) {
            printf("%u\n", port);
            n--;
        } else if (fd >= 0) {
            close(fd);
        }
    }
    fflush(stdout);
    return hold(user);
}
