/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "core/upstream/name_servers.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <event2/dns.h>

#include "core/base/log.h"
#include "core/config/conf.h"

#define RESOLV_CONF "/etc/resolv.conf"

static void on_evdns_log(int is_warning, const char *msg)
{
    (void)is_warning;
    LOG(PST_LOG_DEBUG, "resolver", LOGF_Z("text", msg));
}

struct evdns_base *name_servers_new(struct event_base *base, const struct conf_resolver *conf)
{
    struct evdns_base *dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);

    if (!dns) {
        return NULL;
    }
    evdns_set_log_fn(on_evdns_log);
    if (conf->n_servers == 0) {
        evdns_base_resolv_conf_parse(
            dns, DNS_OPTION_SEARCH | DNS_OPTION_NAMESERVERS | DNS_OPTION_MISC, RESOLV_CONF);
    }
    for (size_t i = 0; i < conf->n_servers; i++) {
        if (evdns_base_nameserver_ip_add(dns, conf->servers[i]) != 0) {
            LOG(PST_LOG_ERROR, "cannot use name server", LOGF_Z("server", conf->servers[i]));
        }
    }
    /*
     * A server counts as failed only when it refuses, not when packets are lost: every
     * retransmission goes to the next one anyway. When all have failed all are asked, and an answer
     * brings one back; so evdns need not probe them, which it would do with the name google.com.
     */
    evdns_base_set_option(dns, "max-timeouts:", "255");
    evdns_base_set_option(dns, "initial-probe-timeout:", "3600");
    return dns;
}

void name_servers_free(struct evdns_base *dns)
{
    if (dns) {
        /*
         * evdns_base_free() alone would fail a probe under way into a callback that uses the freed
         * server (libevent 2.1.12); without servers it is cancelled harmlessly.
         */
        evdns_base_clear_nameservers_and_suspend(dns);
        evdns_base_free(dns, 1);
    }
}

char *name_servers_identity(const struct conf_resolver *conf)
{
    struct stat st;
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);

    if (!f) {
        return NULL;
    }
    for (size_t i = 0; i < conf->n_servers; i++) {
        fprintf(f, "%s ", conf->servers[i]);
    }
    if (conf->n_servers == 0 && stat(RESOLV_CONF, &st) == 0) {
        fprintf(f, "%llu %lld.%09ld", (unsigned long long)st.st_ino, (long long)st.st_mtim.tv_sec,
                st.st_mtim.tv_nsec);
    }
    return fclose(f) == 0 ? text : NULL;
}
