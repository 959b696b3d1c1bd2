#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# One module for each thing that may be wrong with one: postern-module-check names exactly that.
# shellcheck disable=SC2016 # the code of the modules is C

set -euo pipefail
CHECK=${top_builddir:-.}/postern-module-check
SRC=${top_srcdir:-.}/t/kit/bad.c
API=${top_srcdir:-.}/plugin-api
CC=${CC:-cc}
if [ -n "${SANITIZERS:-}" ]; then
    echo "bad-modules: a sanitizer would end the modules before they are judged"
    exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
rc=0

# build [FLAG...]: the module as $tmp/bad.so.
build()
{
    # shellcheck disable=SC2086 # CC may be several words
    $CC -std=gnu11 -w -O1 -fPIC -shared -fvisibility=hidden -I"$API" "${@//$'\n'/ }" \
        -o "$tmp/bad.so" "$SRC"
}

# judged CHECK TEXT [ARGUMENT...]: the only finding about $tmp/bad.so.
judged()
{
    local check=$1 text=$2 status=0
    shift 2
    "$CHECK" -t 60 "$tmp/bad.so" "$@" >"$tmp/out" 2>"$tmp/err" || status=$?
    if [ "$status" -ne 1 ] || [ "$(wc -l <"$tmp/out")" -ne 1 ] ||
        ! grep -qF -e "$text" "$tmp/out" || ! grep -q "\[$check\]\$" "$tmp/out"; then
        echo "wanted status 1 and [$check] \"$text\", got status $status and:"
        cat "$tmp/out" "$tmp/err"
        rc=1
    fi
}

# bad CHECK TEXT FLAG...
bad()
{
    build "${@:3}"
    judged "$1" "$2"
}

build
"$CHECK" "$tmp/bad.so" || {
    echo "the module that is in order is not"
    exit 1
}

# --- the file ---------------------------------------------------------------------------------

cp "$tmp/bad.so" "$tmp/good.so"
head -c 3000 "$tmp/good.so" >"$tmp/bad.so"
judged file "is cut off or stripped"
{ head -c 4 "$tmp/good.so"; printf '\1'; tail -c +6 "$tmp/good.so"; } >"$tmp/bad.so"
judged file "another kind of machine"
cp "$SRC" "$tmp/bad.so"
judged file "is no shared object"
build -c -fno-lto -UPIC
judged file "a program or an object file"
echo 'int main(void) { return 0; }' >"$tmp/main.c"
# shellcheck disable=SC2086
$CC -fPIE -pie -o "$tmp/bad.so" "$tmp/main.c"
judged file "a program or an object file"
bad exec-stack "-z,noexecstack" -Wl,-z,execstack
if echo 'int x;' | $CC -E -dM - | grep -E '__(x86_64|aarch64)__' >/dev/null; then
    bad text-relocations "compile everything in it with -fPIC" -Wl,-z,notext \
        -DTOP='__asm__(".text\n.quad exit\n");'
fi

# --- symbols ----------------------------------------------------------------------------------

bad entry "exports no function postern_module_v1" -DNOTHING
bad entry "postern_module_v1 is data" -DDATA
bad exported-symbol "exports helper:" -DTOP='PST_EXPORT int helper(void); int helper(void) { return 1; }'
bad exported-symbol "exports table:" -DTOP='PST_EXPORT extern int table; int table = 1;'
bad undefined-symbol "needs of_the_host, which no library" \
    -DTOP='extern int of_the_host(void);' -DHOOK='of_the_host()'
# The checker and the daemon happen to hold this one; the module may not count on it.
bad undefined-symbol "needs config_lookup, which no library" \
    -DTOP='extern int config_lookup(void);' -DHOOK='config_lookup()'
if echo 'int x;' | ${CXX:-c++} -x c++ -fsyntax-only - 2>/dev/null; then
    ${CXX:-c++} -x c++ -fPIC -shared -DNO_HEADER -o "$tmp/bad.so" "$SRC"
    judged mangled 'write extern "C"'
fi
bad abi-major "is built for ABI 2, this is ABI 1" -DOTHER_MAJOR

# --- the descriptor ---------------------------------------------------------------------------

bad descriptor "not that of a Postern module" -DMAGIC=1
bad descriptor "postern_module_v1() answers NULL" -DENTRY=NULL
bad descriptor "built for ABI 2, this proxy speaks 1" -DMAJOR=2
bad descriptor "needs ABI 1.9" -DNEEDED=9
bad descriptor "has flags 0x40 unknown here" -DFLAGS=64
bad descriptor "its descriptor is 64 bytes" -DSIZE=64
bad descriptor "its hook table is 24 bytes" -DHOOKS_SIZE=24
bad descriptor 'calls itself "other"' -DNAME='"other"'
bad descriptor 'calls itself ""' -DNAME=NULL
bad descriptor "has no version" -DVERSION=NULL
bad version "its version is empty" -DVERSION='""'
bad descriptor "fits neither listeners nor edges" -DSCOPES=0
bad descriptor "fits places unknown here" -DSCOPES=12
bad descriptor "has roles 0x100 unknown here" -DROLES=256
bad hook-place "on_accept never runs: add PST_SCOPE_LISTENER" -DHOOKS='.on_admit = hook, .on_accept = hook'
bad role "needs the hook on_transport" -DROLES=PST_ROLE_CLIENT_TRANSPORT

# --- options ----------------------------------------------------------------------------------

H='.help = "help"'
bad option-duplicate "option second is declared twice" -DOPTION_NAME='"second"'
bad option-help "option first has no .help" -DOPTION='.flags = 0'
bad option-help "more than one line" -DOPTION='.help = "a\nb"'
bad option-name "not made of a-z" -DOPTION_NAME='"A first"'
bad option-name "the proxy's own" -DOPTION_NAME='"enforce"'
bad option-default "no value of its type or choices" -DOPTION="$H, .def = \"c\", .choices = \"a|b\""
bad option-default "no value of its type or choices" -DOPTION="$H, .type = PST_OPT_DURATION, .def = \"3\""
bad option-default "no value of its type or choices" -DOPTION="$H, .type = PST_OPT_BOOL, .def = \"yes\""
bad option-default "outside of its own min and max" -DOPTION="$H, .type = PST_OPT_U64, .def = \"9\", .max = 5"
bad option-default "is required and has a default" \
    -DOPTION="$H, .def = \"x\", .flags = PST_OPT_REQUIRED"
bad option-default "those have no default" -DOPTION="$H, .def = \"x\", .flags = PST_OPT_LIST"
bad option-limits "min above its max" -DOPTION="$H, .type = PST_OPT_U64, .min = 9, .max = 5"
bad option-limits "which only numbers have" -DOPTION="$H, .min = 1"
bad option-limits "which only strings have" -DOPTION="$H, .type = PST_OPT_PATH, .choices = \"a\""
bad option-limits "an empty choice" -DOPTION="$H, .choices = \"a||b\""
bad option-limits "never attached" -DOPTION="$H, .flags = PST_OPT_LISTENER_ONLY"
bad option-limits "for listeners only and for edges only" \
    -DOPTION="$H, .flags = PST_OPT_LISTENER_ONLY | PST_OPT_EDGE_ONLY"
bad descriptor "of a kind unknown here" -DOPTION="$H, .type = 77"

# --- instances --------------------------------------------------------------------------------

bad load "load() fails" -DLOAD='return PST_ERR'
bad leak-instance "keeps 1 blocks of each instance" -DFINI=
bad leak-config "when init() refuses a wrong first" -DINIT='struct pst_str s;
    void *p = malloc(3); __asm__ volatile("" : "+r"(p)); if (host->cfg_str(cfg, "first", &s) == PST_OK) {
    host->cfg_error(cfg, "no", 2); return PST_ERR_CONFIG; } free(p)'
bad config-error "without saying why" -DINIT='struct pst_str s;
    if (host->cfg_str(cfg, "first", &s) == PST_OK) return PST_ERR_CONFIG'
bad crash "init() at an edge, allocation 1 failing" -DINIT='volatile char *p = malloc(3);
    *p = 1; free((void *)p)'
bad leak-failure "when allocation 2 of init() fails" -DINIT='void *p = malloc(3), *q = malloc(4);
    __asm__ volatile("" : "+r"(p), "+r"(q)); if (q == NULL) return PST_ERR_NOMEM; free(p); free(q)'
bad second-instance "as a reload does" -DINIT='static int n; if (n++ > 0) { n--; return PST_ERR_NOMEM; } made = &n' \
    -DTOP='static int *made;' -DFINI='free(inst); (*made)--'
bad adopt "adopt() fails" -DTOP='static int32_t adopt(void *a, void *b) { return a == b ? 0 : -1; }' \
    -DHOOKS='.on_admit = hook, .adopt = adopt'
bad crash "fini() at an edge" -DFINI='abort()'
bad crash "dlopen(), in a constructor" -DTOP='__attribute__((constructor)) static void c(void) { abort(); }'
bad crash "crashes in load() at an edge in a host of 1.0" \
    -DLOAD='if (host->instance_enforces == NULL) abort()'
bad old-host "say what it needs in .minor_needed" -DLOAD='if (host->minor < 1) return PST_ERR'

# --- connections ------------------------------------------------------------------------------

bad crash "crashes in on_admit() at an edge" -DHOOK='abort()'
bad exit "ended the process in on_admit() at an edge (status 3)" -DHOOK='_exit(3)'
bad leak-connection "blocks of connections at an edge" -DHOOK='char *p = malloc(1); __asm__ volatile("" : "+r"(p))'
bad crash "on_admit() at an edge" -DHOOK='int *p = host->conn_alloc(k->conn, 4); *p = 1'
bad deny "on_admit() denies without a reason" -DHOOK='return PST_DENY'
bad host-call "does not know verdict 99" -DHOOK='return 99'
bad host-call "PENDING and suspend() go together" -DHOOK='return PST_PENDING'
bad host-call "PENDING and suspend() go together" -DTOP='static void cancel(void *arg) {
    host->ticket_free(*(pst_ticket **)arg); }' -DHOOK='pst_ticket **t = host->conn_alloc(k->conn, 8);
    if (t == NULL || (*t = host->suspend(k->conn, cancel, t)) == NULL) return PST_ERROR;'
bad ticket "give each back" -DTOP='static void cancel(void *arg) { (void)arg; }' \
    -DHOOK='if (host->suspend(k->conn, cancel, NULL) == NULL) return PST_ERROR; return PST_PENDING'
bad host-call "var_id() is for the main thread" -DHOOK='host->var_id("conn.id")'
bad host-call "is read outside of init()" -DTOP='static const pst_cfg *kept;' -DINIT='kept = cfg' \
    -DHOOK='struct pst_str s; host->cfg_str(kept, NULL, &s)'
bad host-call "note_set() on another thread" -DTOP='static void job(void *c) { struct pst_value v = { 0 };
    host->note_set(c, 0, &v); } static void done(void *c, int32_t s) { (void)c; (void)s; }' \
    -DHOOK='host->offload(PST_OF_CONN(k->conn), job, done, k->conn)'
bad claim "answers PST_CLAIM without a stream" -DROLES=PST_ROLE_UPSTREAM \
    -DHOOKS='.on_upstream = hook' -DHOOK='return PST_CLAIM'
bad preface "consumed more bytes" -DSCOPES=PST_SCOPE_LISTENER -DHOOKS='.on_preface = hook' \
    -DHOOK='struct pst_preface *p = k->arg; p->consumed = p->len + 1'
build -DHOOK='pause()'
judged blocks "does not come back from on_admit() at an edge" -t 1

# --- what the user has to tell ----------------------------------------------------------------

# incomplete TEXT ARGUMENT...
incomplete()
{
    local text=$1 status=0
    shift
    "$CHECK" "$@" >"$tmp/out" 2>&1 || status=$?
    if [ "$status" -ne 2 ] || ! grep -qF -e "$text" "$tmp/out"; then
        echo "wanted status 2 and \"$text\", got $status and:"
        cat "$tmp/out"
        rc=1
    fi
}

incomplete "cannot be read: No such file" "$tmp/none.so"
incomplete "usage:"
incomplete "usage:" "$tmp/bad.so" nothing
incomplete "usage:" -s nowhere "$tmp/bad.so"
build -DOPTION="$H, .flags = PST_OPT_REQUIRED"
incomplete '"first" is missing): give OPTION=VALUE' "$tmp/bad.so"
incomplete "cannot be attached to a listener" -s listener "$tmp/bad.so" first=x
"$CHECK" "$tmp/bad.so" first=x
judged config 'refuses the configuration at an edge: first: expected one value' 'first=["x"]'
judged config 'thrid: unknown key' -c 'first = "a"; thrid = 1;'

# --- JSON -------------------------------------------------------------------------------------

build -DHOOK='return PST_DENY' -DVERSION='"2.1"'
status=0
"$CHECK" --json "$tmp/bad.so" >"$tmp/json" || status=$?
want="\"module\":\"bad\",\"version\":\"2.1\",\"result\":\"problems\",\"checks\":[\"deny\"]"
if [ "$status" -ne 1 ] || ! grep -qF "$want" "$tmp/json"; then
    echo "JSON with status $status:"
    cat "$tmp/json"
    rc=1
fi
exit $rc
