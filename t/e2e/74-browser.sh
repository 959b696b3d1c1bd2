#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A browser fetches through each kind of edge: passed through, ended here, encrypted again towards the
# upstream, and with a certificate that is asked for. Where wolfSSL has it, the hybrid group is used.

. "${top_srcdir:-.}/t/e2e/lib.sh"

[ -e "$MODULE_DIR/tls-termination.so" ] || skip "built without wolfSSL"
need chromium openssl nginx
free_ports PORT TLS HTTP
make_certs
start_nginx_tls tls "$TLS" b

mkdir -p "$WORK/nginx"
cat >"$WORK/nginx/nginx.conf" <<EOC
daemon off;
master_process off;
pid $WORK/nginx/pid;
error_log $WORK/nginx/error.log info;
events { }
http {
    access_log off;
    client_body_temp_path $WORK/nginx/body;
    proxy_temp_path $WORK/nginx/proxy;
    fastcgi_temp_path $WORK/nginx/fastcgi;
    uwsgi_temp_path $WORK/nginx/uwsgi;
    scgi_temp_path $WORK/nginx/scgi;
    server {
        listen 127.0.0.1:$HTTP;
        default_type text/plain;
        location / { return 200 "plain \$host \$request_uri\\n"; }
    }
}
EOC
background nginx "$(PATH=$PATH:/usr/sbin command -v nginx)" -p "$WORK/nginx" \
    -e "$WORK/nginx/error.log" -c "$WORK/nginx/nginx.conf"
wait_for_port "$HTTP"

TERM_HERE="{ module = \"tls-termination\"; terminate_at = \"edge\";
    certificates = ( { certificate = \"$CERTS/a.pem\"; key = \"$CERTS/a.key\"; } ); GROUPS }"
EVENTS="{ module = \"event-logging\"; sink = \"file:$WORK/events\"; }"

# edge NAME UPSTREAM MODULE...
edge()
{
    local name=$1 upstream=$2 modules="" m
    shift 2
    for m; do
        modules="$modules${modules:+, }$m"
    done
    printf '{ name = "%s"; domains = [ "%s.test" ]; upstream = %s; modules = ( %s ); }' \
        "$name" "$name" "$upstream" "$modules"
}

# configure [GROUPS]
configure()
{
    cat >"$WORK/postern.conf" <<EOC
workers = 2;
module_dir = "$MODULE_DIR";
listeners = ( { name = "public"; address = "127.0.0.1:$PORT"; } );
edges = (
$(edge b "\"127.0.0.1:$TLS\"" "$EVENTS"),
$(edge a "\"127.0.0.1:$HTTP\"" "${TERM_HERE/GROUPS/${1:-}}" "$EVENTS"),
$(edge again "\"127.0.0.1:$TLS\"" "${TERM_HERE/GROUPS/}" \
    "{ module = \"upstream-tls\"; ca = [ \"$CERTS/ca.pem\" ]; server_name = \"b.test\"; }" "$EVENTS"),
$(edge asked "\"127.0.0.1:$HTTP\"" "${TERM_HERE/GROUPS/}" \
    "{ module = \"mutual-tls\"; ca = [ \"$CERTS/ca.pem\" ]; mode = \"verify-if-given\"; }" "$EVENTS")
);
EOC
}
group=X25519MLKEM768
configure 'groups = [ "X25519MLKEM768" ];'
"$POSTERN" -t -c "$WORK/postern.conf" >"$WORK/out" 2>&1 || {
    assert_grep 'this build of wolfSSL lacks X25519MLKEM768' "$WORK/out"
    group=x25519
}
configure
start_postern "$WORK/postern.conf"

# fetched NAME TEXT: the browser shows that text.
fetched()
{
    HOME=$WORK timeout 120 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
        --no-first-run --user-data-dir="$WORK/profile" --ignore-certificate-errors \
        --host-resolver-rules="MAP *.test 127.0.0.1" --dump-dom "https://$1.test:$PORT/x" \
        >"$WORK/page" 2>"$WORK/chromium.log" || { tail -n 20 "$WORK/chromium.log"; fail "chromium $1"; }
    assert_grep "$2" "$WORK/page"
}

fetched b 'tls b.test /x'
fetched a 'plain a.test /x'
fetched again 'tls b.test /x'
fetched asked 'plain asked.test /x'
stop_postern
for name in a again asked; do
    assert_grep "\"server_name\":\"$name.test\".*\"version\":\"TLSv1.3\".*\"group\":\"$group\"" \
        "$WORK/events"
done
