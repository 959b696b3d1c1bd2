/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "t/tools/tcp_peer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

static const char usage_text[] =
    "usage: tcp_peer [OPTION...] connect ADDRESS ACTION...\n"
    "       tcp_peer [OPTION...] listen ADDRESS accept ACTION... [accept ACTION...]\n"
    "       tcp_peer --free-port N PID     for the process PID\n"
    "ADDRESS is 127.0.0.1:80, [::1]:80 or unix:/path; listen says \"listening PORT\" on stderr.\n"
    "Options\n"
    "  --timeout S       deadline for the whole script (10)\n"
    "  --source ADDRESS  connect from there\n"
    "  --rcvbuf N        --sndbuf N: socket buffers\n"
    "  --out FILE        received bytes, - for stdout\n"
    "Actions\n"
    "  send-file F       - for stdin\n"
    "  send-text T       with \\r \\n \\0 \\\\\n"
    "  send-hex H\n"
    "  send-zeros N\n"
    "  seg N             from here on N bytes per TCP segment, each acknowledged first (0: off)\n"
    "  slow N MS         from here on read N bytes every MS milliseconds\n"
    "  pause MS          neither read nor write for that long\n"
    "  recv N            exactly N bytes\n"
    "  recv-all          until the peer's FIN\n"
    "  duplex F          send F and FIN while receiving until the peer's FIN\n"
    "  echo              send back what comes until the peer's FIN\n"
    "  expect-eof        the next thing is the peer's FIN\n"
    "  expect-rst        the peer resets; bytes before that are fine\n"
    "  expect-hex H      what was received so far and not printed\n"
    "  wait-hup          until the peer's FIN or RST, without reading\n"
    "  print raw|hex     what was received since the last print\n"
    "  shutdown          send FIN\n"
    "  close             rst: the connection is over\n"
    "  idle N ADDRESS    open N more connections and keep them; says \"connected N\"\n"
    "  hold              stay until stdin ends or TERM\n"
    "Exit status: 0 as told, 1 failure, 2 usage, 3 deadline, 4 unexpected FIN, 5 unexpected RST,\n"
    "6 mismatch\n";

static volatile sig_atomic_t told_to_stop;

static void on_term(int sig)
{
    (void)sig;
    told_to_stop = 1;
}

static enum peer_status usage(const char *why)
{
    fprintf(stderr, "tcp_peer: %s\n%s", why, usage_text);
    return PEER_USAGE;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *d = c != '\0' ? strchr(digits, c | 0x20) : NULL;

    return d != NULL ? (int)(d - digits) : -1;
}

/* The bytes of a hex string in a buffer the caller frees, or NULL. */
static uint8_t *hex_bytes(const char *hex, size_t *n)
{
    uint8_t *b = malloc(strlen(hex) / 2 + 1);

    *n = 0;
    for (; b != NULL && *hex != '\0'; hex += 2) {
        if (hex_digit(hex[0]) < 0 || hex_digit(hex[1]) < 0) {
            free(b);
            return NULL;
        }
        b[(*n)++] = (uint8_t)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
    }
    return b;
}

static enum peer_status send_hex(struct peer *p, const char *hex)
{
    size_t n;
    uint8_t *b = hex_bytes(hex, &n);
    enum peer_status rc = b != NULL ? peer_send(p, b, n) : usage("send-hex: not hex");

    free(b);
    return rc;
}

static enum peer_status send_text(struct peer *p, const char *text)
{
    uint8_t *b = malloc(strlen(text) + 1);
    size_t n = 0;
    enum peer_status rc;

    if (b == NULL) {
        return PEER_FAILED;
    }
    for (; *text != '\0'; text++) {
        char c = *text;

        if (c == '\\' && text[1] != '\0') {
            text++;
            c = *text == 'r' ? '\r' : *text == 'n' ? '\n' : *text == '0' ? '\0' : *text;
        }
        b[n++] = (uint8_t)c;
    }
    rc = peer_send(p, b, n);
    free(b);
    return rc;
}

static FILE *open_input(const char *path)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");

    if (f == NULL) {
        perror(path);
    }
    return f;
}

static enum peer_status send_file(struct peer *p, const char *path)
{
    static uint8_t b[64 * 1024];
    FILE *f = open_input(path);
    enum peer_status rc = PEER_OK;
    size_t n;

    if (f == NULL) {
        return PEER_FAILED;
    }
    while (rc == PEER_OK && (n = fread(b, 1, sizeof(b), f)) > 0) {
        rc = peer_send(p, b, n);
    }
    if (f != stdin) {
        fclose(f);
    }
    return rc;
}

static enum peer_status duplex(struct peer *p, const char *path)
{
    FILE *f = open_input(path);
    enum peer_status rc = f != NULL ? peer_duplex(p, f) : PEER_FAILED;

    if (f != NULL && f != stdin) {
        fclose(f);
    }
    return rc;
}

static enum peer_status send_zeros(struct peer *p, unsigned long n)
{
    static const uint8_t zeros[64 * 1024];
    enum peer_status rc = PEER_OK;

    while (rc == PEER_OK && n > 0) {
        size_t part = n < sizeof(zeros) ? n : sizeof(zeros);

        rc = peer_send(p, zeros, part);
        n -= part;
    }
    return rc;
}

static enum peer_status unexpected(const struct peer *p)
{
    fprintf(stderr, "tcp_peer: unexpected %s after %llu bytes\n", p->end == END_EOF ? "FIN" : "RST",
            (unsigned long long)p->received);
    return p->end == END_EOF ? PEER_EOF : PEER_RST;
}

static enum peer_status recv_exactly(struct peer *p, unsigned long n)
{
    while (n > 0) {
        size_t got;
        enum peer_status rc = peer_read(p, n, &got);

        if (rc != PEER_OK) {
            return rc;
        }
        if (got == 0) {
            return unexpected(p);
        }
        n -= got;
    }
    return PEER_OK;
}

/* Read to the end, which has to be `end`; with `none` no byte may come before it. */
static enum peer_status recv_to_end(struct peer *p, enum peer_end end, bool none, bool echo)
{
    for (;;) {
        size_t got, before = p->n_kept;
        enum peer_status rc = peer_read(p, SIZE_MAX, &got);

        if (rc == PEER_OK && got > 0 && echo) {
            p->n_kept = before;
            rc = peer_send(p, p->kept + before, got);
        }
        if (rc != PEER_OK) {
            return rc;
        }
        if (got == 0) {
            break;
        }
        if (none) {
            fprintf(stderr, "tcp_peer: bytes where an end was expected\n");
            return PEER_MISMATCH;
        }
    }
    return p->end == end ? PEER_OK : unexpected(p);
}

static enum peer_status expect_hex(struct peer *p, const char *hex)
{
    size_t n;
    uint8_t *b = hex_bytes(hex, &n);
    bool same = b != NULL && n == p->n_kept && (n == 0 || memcmp(b, p->kept, n) == 0);

    if (b == NULL) {
        return usage("expect-hex: not hex");
    }
    free(b);
    if (!same) {
        fprintf(stderr, "tcp_peer: received something else\n");
    }
    return same ? PEER_OK : PEER_MISMATCH;
}

static enum peer_status print(struct peer *p, const char *how)
{
    if (strcmp(how, "raw") == 0) {
        fwrite(p->kept, 1, p->n_kept, stdout);
    } else {
        for (size_t i = 0; i < p->n_kept; i++) {
            printf("%02x", p->kept[i]);
        }
        putchar('\n');
    }
    p->n_kept = 0;
    return fflush(stdout) == 0 ? PEER_OK : PEER_FAILED;
}

/* Extra connections stay open until the process ends. */
static enum peer_status idle(const struct peer *p, unsigned long n, const char *address)
{
    struct peer more = *p;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    for (unsigned long i = 0; i < n; i++) {
        enum peer_status rc = peer_connect(&more, address);

        if (rc != PEER_OK) {
            return rc;
        }
    }
    fprintf(stderr, "connected %lu\n", n);
    return PEER_OK;
}

static enum peer_status hold(struct peer *p)
{
    while (!told_to_stop) {
        struct pollfd pfd = { .fd = 0, .events = POLLIN };
        char c;

        if (peer_now() >= p->deadline_ms) {
            return PEER_DEADLINE;
        }
        if (poll(&pfd, 1, 100) > 0 && fread(&c, 1, 1, stdin) == 0) {
            break;
        }
    }
    return PEER_OK;
}

static enum peer_status hang_up(struct peer *p, bool reset)
{
    if (reset) {
        peer_reset(p);
    } else {
        peer_close(p);
    }
    return PEER_OK;
}

/* Run the action at a[0], whose arguments are known to be there. */
static enum peer_status act(struct peer *p, char **a)
{
    unsigned long n = a[1] != NULL ? strtoul(a[1], NULL, 10) : 0;
    const char *z = a[0];

    if (strcmp(z, "accept") == 0) {
        return p->listener >= 0 ? peer_accept(p) : usage("accept without listen");
    }
    if (strcmp(z, "hold") == 0) {
        return hold(p);
    }
    if (strcmp(z, "print") == 0) {
        return print(p, a[1]);
    }
    if (strcmp(z, "expect-hex") == 0) {
        return expect_hex(p, a[1]);
    }
    if (strcmp(z, "pause") == 0) {
        return peer_wait(p, -1, 0, (int)n);
    }
    if (strcmp(z, "idle") == 0) {
        return idle(p, n, a[2]);
    }
    if (strcmp(z, "seg") == 0) {
        p->segment = n;
        return PEER_OK;
    }
    if (strcmp(z, "slow") == 0) {
        p->slow_bytes = n;
        p->slow_ms = (unsigned)strtoul(a[2], NULL, 10);
        return PEER_OK;
    }
    if (p->fd < 0) {
        return usage("no connection");
    }
    if (strcmp(z, "send-file") == 0) {
        return send_file(p, a[1]);
    }
    if (strcmp(z, "send-text") == 0) {
        return send_text(p, a[1]);
    }
    if (strcmp(z, "send-hex") == 0) {
        return send_hex(p, a[1]);
    }
    if (strcmp(z, "send-zeros") == 0) {
        return send_zeros(p, n);
    }
    if (strcmp(z, "recv") == 0) {
        return recv_exactly(p, n);
    }
    if (strcmp(z, "recv-all") == 0) {
        return recv_to_end(p, END_EOF, false, false);
    }
    if (strcmp(z, "echo") == 0) {
        return recv_to_end(p, END_EOF, false, true);
    }
    if (strcmp(z, "expect-eof") == 0) {
        return recv_to_end(p, END_EOF, true, false);
    }
    if (strcmp(z, "expect-rst") == 0) {
        return recv_to_end(p, END_RST, false, false);
    }
    if (strcmp(z, "duplex") == 0) {
        return duplex(p, a[1]);
    }
    if (strcmp(z, "wait-hup") == 0) {
        return peer_wait(p, p->fd, POLLRDHUP, -1);
    }
    if (strcmp(z, "shutdown") == 0) {
        return shutdown(p->fd, SHUT_WR) == 0 ? PEER_OK : PEER_FAILED;
    }
    return hang_up(p, strcmp(z, "rst") == 0);
}

/* Arguments of an action or option, -1 for an unknown one. */
static int arguments_of(const char *word)
{
    static const struct {
        const char *word;
        int n;
    } table[] = {
        { "--free-port", 2 }, { "--timeout", 1 },  { "--source", 1 },   { "--rcvbuf", 1 },
        { "--sndbuf", 1 },    { "--out", 1 },      { "connect", 1 },    { "listen", 1 },
        { "accept", 0 },      { "send-file", 1 },  { "send-text", 1 },  { "send-hex", 1 },
        { "send-zeros", 1 },  { "seg", 1 },        { "slow", 2 },       { "pause", 1 },
        { "recv", 1 },        { "recv-all", 0 },   { "duplex", 1 },     { "echo", 0 },
        { "expect-eof", 0 },  { "expect-rst", 0 }, { "expect-hex", 1 }, { "wait-hup", 0 },
        { "print", 1 },       { "shutdown", 0 },   { "close", 0 },      { "rst", 0 },
        { "idle", 2 },        { "hold", 0 },
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(word, table[i].word) == 0) {
            return table[i].n;
        }
    }
    return -1;
}

static enum peer_status option(struct peer *p, char **a)
{
    if (strcmp(a[0], "--free-port") == 0) {
        return peer_free_ports((unsigned)strtoul(a[1], NULL, 10), (pid_t)strtol(a[2], NULL, 10));
    }
    if (strcmp(a[0], "--timeout") == 0) {
        p->deadline_ms = peer_now() + (int64_t)(strtod(a[1], NULL) * 1000);
    } else if (strcmp(a[0], "--source") == 0) {
        p->source = a[1];
    } else if (strcmp(a[0], "--rcvbuf") == 0) {
        p->rcvbuf = atoi(a[1]);
    } else if (strcmp(a[0], "--sndbuf") == 0) {
        p->sndbuf = atoi(a[1]);
    } else {
        p->out = strcmp(a[1], "-") == 0 ? stdout : fopen(a[1], "wb");
    }
    if (strcmp(a[0], "--out") == 0 && p->out == NULL) {
        perror(a[1]);
        return PEER_FAILED;
    }
    return PEER_OK;
}

int main(int argc, char **argv)
{
    struct peer p = { .fd = -1, .listener = -1, .deadline_ms = peer_now() + 10000 };
    struct sigaction sa = { .sa_handler = on_term };
    enum peer_status rc = argc > 1 ? PEER_OK : usage("nothing to do");

    sigaction(SIGTERM, &sa, NULL);
    for (int i = 1; i < argc && rc == PEER_OK;) {
        char **a = argv + i;
        int n = arguments_of(a[0]);

        if (n < 0 || i + n >= argc) {
            rc = usage(a[0]);
        } else if (strncmp(a[0], "--", 2) == 0) {
            rc = option(&p, a);
        } else if (strcmp(a[0], "connect") == 0) {
            rc = peer_connect(&p, a[1]);
        } else if (strcmp(a[0], "listen") == 0) {
            rc = peer_listen(&p, a[1]);
        } else {
            rc = act(&p, a);
        }
        if (rc != PEER_OK) {
            fprintf(stderr, "tcp_peer: failed at %s\n", a[0]);
        }
        i += n + 1;
    }
    if (p.sent + p.received > 0) {
        fprintf(stderr, "sent %llu received %llu end %s\n", (unsigned long long)p.sent,
                (unsigned long long)p.received,
                p.end == END_EOF   ? "eof"
                : p.end == END_RST ? "rst"
                                   : "open");
    }
    free(p.kept);
    if (p.out != NULL && p.out != stdout) {
        fclose(p.out);
    }
    return (int)rc;
}
