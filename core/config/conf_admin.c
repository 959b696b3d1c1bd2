/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's own services: the control socket, and metrics over HTTP. */
#include "core/config/conf_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define PASSWORD_MAX 256

static bool read_socket(struct conf_priv *p, const config_setting_t *s, void *base)
{
    struct conf_control *c = base;

    if (!conf_value_path(p, s, &c->socket)) {
        return false;
    }
    if (strlen(c->socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        conf_fail(p, s, "the name of a socket can have at most %zu bytes",
                  sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
        c->socket = NULL;
        return false;
    }
    return true;
}

static bool read_control_mode(struct conf_priv *p, const config_setting_t *s, void *base)
{
    return conf_value_mode(p, s, 0660, &((struct conf_control *)base)->mode);
}

const struct conf_key conf_control_keys[] = {
    { .o = { .name = "enabled",
             .type = PST_OPT_BOOL,
             .def = "true",
             .help = "whether there is one" },
      .offset = offsetof(struct conf_control, enabled) },
    { .o = { .name = "socket", .type = PST_OPT_PATH, .help = "its place" }, .fn = read_socket },
    { .o = { .name = "mode",
             .type = PST_OPT_STR,
             .choices = "octal",
             .def = CONF_TEXT(CONF_CONTROL_MODE),
             .help = "its permissions, at most 0660; with a group 0660" },
      .fn = read_control_mode },
    { .o = { .name = "group", .type = PST_OPT_STR, .help = "whose members may connect, too" },
      .offset = offsetof(struct conf_control, group) },
};

bool conf_control_read(struct conf_priv *p, const config_setting_t *s, struct conf_control *c)
{
    if (!conf_keys_read(p, s, conf_control_keys, COUNT(conf_control_keys), c)) {
        return false;
    }
    if (c->group != NULL && config_setting_get_member(s, "mode") == NULL) {
        c->mode = 0660;
    }
    return true;
}

static bool read_address(struct conf_priv *p, const config_setting_t *s, void *base)
{
    return conf_value_addr(p, s, CONF_ADDR_OF_LISTENER, &((struct conf_metrics *)base)->addr);
}

static bool read_metrics_mode(struct conf_priv *p, const config_setting_t *s, void *base)
{
    return conf_value_mode(p, s, 0777, &((struct conf_metrics *)base)->unix_mode);
}

static bool read_user(struct conf_priv *p, const config_setting_t *s, void *base)
{
    struct conf_metrics *m = base;

    if (!conf_value_str(p, s, &m->user)) {
        return false;
    }
    /* RFC 7617 section 2: the first colon ends the name. */
    if (m->user[0] == '\0' || strlen(m->user) > PASSWORD_MAX || strchr(m->user, ':') != NULL) {
        conf_fail(p, s, "a user is 1 to %d characters without a colon", PASSWORD_MAX);
        return false;
    }
    return true;
}

static size_t first_line(const char *p, size_t n)
{
    size_t i = 0;

    while (i < n && p[i] != '\r' && p[i] != '\n') {
        i++;
    }
    return i;
}

/* Why a password file cannot be taken, NULL: text has its first line. */
static const char *password_load(const char *path, char text[PASSWORD_MAX + 2])
{
    const char *why = NULL;
    struct stat st;
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &st) != 0) {
        why = strerror(errno);
    } else if (!S_ISREG(st.st_mode)) {
        why = "not a file";
    } else if ((st.st_mode & (S_IROTH | S_IWOTH)) != 0) {
        why = "others can read or write it; take that away with chmod o-rw";
    } else if ((n = read(fd, text, PASSWORD_MAX + 1)) < 0) {
        why = strerror(errno);
    } else {
        size_t len = first_line(text, (size_t)n);

        text[len] = '\0';
        if (strlen(text) != len) {
            why = "its first line has a zero byte";
        } else if (text[0] == '\0') {
            why = "its first line is empty";
        } else if (strlen(text) > PASSWORD_MAX) {
            why = "its first line is too long";
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return why;
}

static bool read_password(struct conf_priv *p, const config_setting_t *s, void *base)
{
    struct conf_metrics *m = base;
    char text[PASSWORD_MAX + 2];
    const char *path, *why;

    if (!conf_value_path(p, s, &path)) {
        return false;
    }
    why = password_load(path, text);
    if (why != NULL) {
        conf_fail(p, s, "cannot use %s: %s", path, why);
        return false;
    }
    m->password = arena_strndup(&p->arena, text, strlen(text));
    return m->password != NULL || conf_nomem(p);
}

static bool is_loopback(const struct pst_addr *a)
{
    static const uint8_t one[16] = { [15] = 1 };

    return a->family == PST_AF_INET ? a->ip[0] == 127 : memcmp(a->ip, one, sizeof(one)) == 0;
}

const struct conf_key conf_metrics_keys[] = {
    { .o = { .name = "address",
             .type = PST_OPT_ADDR,
             .choices = "address|unix:path",
             .flags = PST_OPT_REQUIRED,
             .help = "where to listen" },
      .fn = read_address },
    { .o = { .name = "mode",
             .type = PST_OPT_STR,
             .choices = "octal",
             .def = CONF_TEXT(CONF_SOCKET_MODE),
             .help = "permissions of a unix socket" },
      .fn = read_metrics_mode },
    { .o = { .name = "user", .type = PST_OPT_STR, .help = "whom a client must say it is" },
      .fn = read_user },
    { .o = { .name = "password_file",
             .type = PST_OPT_PATH,
             .help = "whose first line it must know" },
      .fn = read_password },
};

bool conf_metrics_read(struct conf_priv *p, const config_setting_t *s, struct conf_metrics *m)
{
    m->unix_mode = CONF_SOCKET_MODE;
    m->where = conf_where_dup(p, s);
    if (!conf_keys_read(p, s, conf_metrics_keys, COUNT(conf_metrics_keys), m)) {
        return false;
    }
    m->enabled = m->addr.text != NULL;
    if ((config_setting_get_member(s, "user") == NULL) !=
        (config_setting_get_member(s, "password_file") == NULL)) {
        conf_fail(p, s, "user and password_file only go together");
    }
    if (m->enabled && m->addr.kind == CONF_ADDR_IP && !is_loopback(&m->addr.ip) &&
        config_setting_get_member(s, "user") == NULL) {
        conf_warn(
            p, s,
            "whoever can reach %s can read all figures; set user and password_file, or listen "
            "on 127.0.0.1",
            m->addr.text);
    }
    return true;
}

static bool read_writable(struct conf_priv *p, const config_setting_t *s, void *base)
{
    struct conf_sandbox *c = base;
    size_t n;

    if (!conf_want_list(p, s)) {
        return false;
    }
    n = (size_t)config_setting_length(s);
    c->writable = arena_alloc(&p->arena, (n == 0 ? 1 : n) * sizeof(c->writable[0]));
    if (c->writable == NULL) {
        conf_nomem(p);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!conf_value_path(p, config_setting_get_elem(s, (unsigned)i), &c->writable[i])) {
            return false;
        }
        c->n_writable++;
    }
    return true;
}

const struct conf_key conf_sandbox_keys[] = {
    { .o = { .name = "enabled",
             .type = PST_OPT_BOOL,
             .def = "true",
             .help = "seccomp and Landlock, where the kernel has them" },
      .offset = offsetof(struct conf_sandbox, enabled) },
    { .o = { .name = "writable",
             .type = PST_OPT_PATH,
             .flags = PST_OPT_LIST,
             .help = "folders in which files may be written" },
      .fn = read_writable },
};

bool conf_sandbox_read(struct conf_priv *p, const config_setting_t *s, struct conf_sandbox *c)
{
    return conf_keys_read(p, s, conf_sandbox_keys, COUNT(conf_sandbox_keys), c);
}
