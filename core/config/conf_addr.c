/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses of listeners, targets and name servers. */
#include "core/config/conf_priv.h"

#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "core/base/addr.h"
#include "core/base/name.h"
#include "core/base/str.h"

/* What is being parsed: the setting that errors name, and its text without "tls://". */
struct source {
    struct conf_priv *p;
    const config_setting_t *s;
    const char *z;
};

static bool keep_text(const struct source *src, struct conf_addr *a, const char *text)
{
    char whole[NAME_MAX_LEN + 32];

    snprintf(whole, sizeof(whole), "%s%s", a->tls ? "tls://" : "", text);
    a->text = arena_strndup(&src->p->arena, whole, strlen(whole));
    return a->text != NULL || conf_nomem(src->p);
}

static bool parse_unix(const struct source *src, struct conf_addr *a)
{
    const char *path = src->z + strlen("unix:");
    char text[sizeof("unix:") + sizeof(((struct sockaddr_un *)NULL)->sun_path)];

    if (path[0] == '\0') {
        conf_fail(src->p, src->s, "\"unix:\" needs a path: \"unix:/run/app.sock\"");
        return false;
    }
    if (path[0] == '@') {
        conf_fail(src->p, src->s, "\"%s\": abstract unix sockets are not supported", src->z);
        return false;
    }
    if (strlen(path) < sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        path = conf_path_from(src->p, src->s, path);
        if (path == NULL) {
            return conf_nomem(src->p);
        }
    }
    if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        conf_fail(src->p, src->s, "the path of a unix socket may have %zu bytes at most",
                  sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
        return false;
    }
    a->kind = CONF_ADDR_UNIX;
    a->path = path;
    a->ip.family = PST_AF_UNIX;
    snprintf(text, sizeof(text), "unix:%s", path);
    return keep_text(src, a, text);
}

static bool parse_port(const struct source *src, const char *text, uint16_t *port)
{
    uint64_t n;

    if (str_to_u64(text, UINT16_MAX, &n) != 0 || n == 0) {
        conf_fail(src->p, src->s, "\"%s\" has no valid port; ports are 1 to 65535", src->z);
        return false;
    }
    *port = (uint16_t)n;
    return true;
}

static bool parse_ip(const struct source *src, const char *port, struct conf_addr *a)
{
    char text[ADDR_TEXT_MAX];

    if (!parse_port(src, port, &a->ip.port)) {
        return false;
    }
    if (addr_parse(src->z, &a->ip) != 0) {
        conf_fail(src->p, src->s, "\"%s\" is not a valid IP address with a port", src->z);
        return false;
    }
    a->kind = CONF_ADDR_IP;
    return keep_text(src, a, addr_text(&a->ip, text));
}

/* A name whose last label is a number would be taken for an IPv4 address by some resolvers. */
static bool ends_in_number(const char *host, size_t n)
{
    size_t end;

    n -= n > 0 && host[n - 1] == '.' ? 1 : 0;
    end = n;
    while (n > 0 && host[n - 1] >= '0' && host[n - 1] <= '9') {
        n--;
    }
    return n < end && (n == 0 || host[n - 1] == '.');
}

static bool parse_host(const struct source *src, size_t host_n, struct conf_addr *a)
{
    char name[NAME_MAX_LEN + 1], text[NAME_MAX_LEN + 8];
    size_t n;
    bool wildcard = false;

    if (!parse_port(src, src->z + host_n + 1, &a->ip.port)) {
        return false;
    }
    /* Digits of other scripts become ASCII ones, so the number is looked for again. */
    if (name_normalise_pattern(src->z, host_n, name, &n, &wildcard) != 0 || wildcard ||
        ends_in_number(name, n)) {
        conf_fail(src->p, src->s, "\"%.*s\" is not a host name", (int)host_n, src->z);
        return false;
    }
    a->kind = CONF_ADDR_HOST;
    a->host = arena_strndup(&src->p->arena, name, n);
    snprintf(text, sizeof(text), "%s:%u", name, a->ip.port);
    return (a->host != NULL || conf_nomem(src->p)) && keep_text(src, a, text);
}

/* "host:port", "1.2.3.4:port", "[::1]:port". */
static bool parse_inet(const struct source *src, enum conf_addr_use use, struct conf_addr *a)
{
    const char *z = src->z, *colon = strrchr(z, ':'), *bracket = strchr(z, ']');
    struct pst_addr ip;
    size_t host_n;

    if (addr_parse_ip(z, &ip) == 0 && ip.family == PST_AF_INET6) {
        conf_fail(src->p, src->s, "\"%s\" needs brackets and a port: \"[%s]:443\"", z, z);
        return false;
    }
    if (colon == NULL || (bracket != NULL && colon < bracket)) {
        conf_fail(src->p, src->s, "\"%s\" has no port; write \"%s:443\"", z, z);
        return false;
    }
    host_n = (size_t)(colon - z);
    if (z[0] == '[') {
        return parse_ip(src, colon + 1, a);
    }
    if (memchr(z, ':', host_n) != NULL) {
        conf_fail(src->p, src->s, "\"%s\": an IPv6 address stands in brackets: \"[::1]:443\"", z);
        return false;
    }
    if (host_n == 1 && z[0] == '*') {
        conf_fail(src->p, src->s, "\"%s\" is not an address; for all addresses write \"[::]%s\"", z,
                  colon);
        return false;
    }
    if (host_n == 0) {
        conf_fail(src->p, src->s, "\"%s\" names no host; for all addresses write \"[::]%s\"", z, z);
        return false;
    }
    if (ends_in_number(z, host_n)) {
        return parse_ip(src, colon + 1, a);
    }
    if (use != CONF_ADDR_OF_TARGET) {
        conf_fail(src->p, src->s,
                  "\"%s\" is a host name; write an IP address: \"127.0.0.1%s\" or \"[::]%s\"", z,
                  colon, colon);
        return false;
    }
    return parse_host(src, host_n, a);
}

bool conf_value_addr(struct conf_priv *p, const config_setting_t *s, enum conf_addr_use use,
                     struct conf_addr *out)
{
    struct source src = { p, s, NULL };

    memset(out, 0, sizeof(*out));
    if (config_setting_type(s) != CONFIG_TYPE_STRING) {
        return conf_wrong_type(p, s, "an address such as \"127.0.0.1:8080\"");
    }
    src.z = config_setting_get_string(s);
    if (strncmp(src.z, "tls://", 6) == 0) {
        if (use != CONF_ADDR_OF_TARGET) {
            conf_fail(p, s, "\"%s\": only upstream targets can have \"tls://\"", src.z);
            return false;
        }
        out->tls = true;
        src.z += 6;
    }
    if (strstr(src.z, "://") != NULL) {
        conf_fail(p, s, "\"%s\" is a URL; write an address: \"host:8080\"", src.z);
        return false;
    }
    if (strncmp(src.z, "unix:", 5) == 0) {
        if (use == CONF_ADDR_OF_MODULE) {
            conf_fail(p, s, "\"%s\": an IP address with a port is needed here", src.z);
            return false;
        }
        return parse_unix(&src, out);
    }
    return parse_inet(&src, use, out);
}
