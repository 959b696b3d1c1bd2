#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# matrix.sh BUILD-FOLDER [STEP...]: what ./bootstrap check runs, each configuration in a folder of
# its own below BUILD-FOLDER, logs in BUILD-FOLDER/logs. The last line counts: every test of every
# configuration, and every step that is no test suite as one.

set -uo pipefail

TOP=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "${1:?usage: matrix.sh BUILD-FOLDER [STEP...]}/logs"
BUILD=$(cd "$1" && pwd)
shift
LOGS=$BUILD/logs
JOBS=$(nproc 2>/dev/null || echo 2)
# Tests wait more than they compute: for timers, mostly.
TESTS_AT_ONCE=$((2 * JOBS))
PASSED=0
FAILED=0
REASONS= # of what failed, said again at the end
MINUTES_PER_STEP=20
# As configure takes it. bootstrap says; else the one that bootstrap built, or the system's.
if [ -z "${WITH_WOLFSSL:-}" ]; then
    WITH_WOLFSSL=yes
    [ ! -e "$BUILD/wolfssl/postern-build" ] || WITH_WOLFSSL=$BUILD/wolfssl
fi

say()
{
    printf '%s\n' "$*"
}

# The errors in a log and its end, marked as such.
show()
{
    say "--- ${1#"$BUILD"/}"
    grep -nE 'error:|warning:|\*\*\*|^(FAIL|ERROR):' "$1" | head -n 10
    say "--- its end"
    tail -n "${2:-40}" "$1"
    say "---"
}

# reason NAME LOG: keep what the log says of why, in a few lines.
reason()
{
    REASONS="$REASONS
failed  $1
$(grep -aE 'FAIL(ED)?:|WRONG|[Ee]rror: |want |\*\*\*' "$2" | head -n 8 | cut -c 1-300)"
}

# verdict NAME STATUS LOG PASSED FAILED BEGUN: one line for a step, and its log when it failed.
verdict()
{
    local took=$((SECONDS - $6))
    PASSED=$((PASSED + $4))
    FAILED=$((FAILED + $5))
    if [ "$5" -eq 0 ]; then
        say "ok      $1 ($4 passed, ${took}s)"
    else
        say "FAILED  $1 ($4 passed, $5 failed, ${took}s)"
        show "$3"
        reason "$1" "$3"
    fi
}

# quietly LOG COMMAND...: with a time limit; output into the log.
quietly()
{
    local log=$1
    shift
    timeout -k 30 "${MINUTES_PER_STEP}m" "$@" >>"$log" 2>&1 </dev/null
}

# single NAME COMMAND...: a step that passes or fails as a whole.
single()
{
    local name=$1 log=$LOGS/$1.log begun=$SECONDS
    shift
    : >"$log"
    if quietly "$log" "$@"; then
        verdict "$name" 0 "$log" 1 0 "$begun"
    else
        verdict "$name" 1 "$log" 0 1 "$begun"
    fi
}

# configured FOLDER ARGUMENT...: configure there.
configured()
{
    local dir=$1
    shift
    rm -rf "$dir"
    mkdir -p "$dir"
    cd "$dir" && "$TOP/configure" -q --with-wolfssl="$WITH_WOLFSSL" "$@"
}

# results FOLDER RESULT: test logs with that result.
results()
{
    find "$1" -name '*.trs' -exec grep -l "^:global-test-result: $2" {} + 2>/dev/null
}

# suite NAME "TESTS" CONFIGURE-ARGUMENT...: build a configuration and run those tests, "" for all.
suite()
{
    local name=$1 tests=$2 dir=$BUILD/$1 log=$LOGS/$1.log begun=$SECONDS rc=0 passed failed trs
    shift 2
    : >"$log"
    (configured "$dir" "$@") >>"$log" 2>&1 </dev/null &&
        quietly "$log" make -C "$dir" -j"$JOBS" all || rc=1
    if [ "$rc" -eq 0 ]; then
        # shellcheck disable=SC2086 # WRAP is a command with arguments
        quietly "$log" ${WRAP:-} make -C "$dir" -j"$TESTS_AT_ONCE" check \
            ${tests:+"TESTS=$tests"} || rc=1
    fi
    passed=$(results "$dir" PASS | wc -l)
    failed=$(results "$dir" '\(FAIL\|XPASS\|ERROR\)' | wc -l)
    for trs in $(results "$dir" '\(FAIL\|XPASS\|ERROR\)'); do
        trs=${trs%.trs}
        show "$trs.log" 60
        reason "$name: ${trs#"$dir"/}" "$trs.log"
    done
    for trs in $(results "$dir" SKIP); do
        say "skipped $name: $(tail -n 2 "${trs%.trs}.log" | tr '\n' ' ')"
    done
    # A build that breaks leaves no test results; neither does an interrupted run.
    if [ "$rc" -ne 0 ] && [ "$failed" -eq 0 ]; then
        failed=1
    fi
    verdict "$name" "$rc" "$log" "$passed" "$failed" "$begun"
    if [ "$failed" -eq 0 ]; then
        rm -rf "$dir"
    fi
}

# gcc's thread sanitizer cannot live with the address randomisation of newer kernels.
without_aslr()
{
    if setarch "$(uname -m)" -R true 2>/dev/null; then
        printf 'setarch %s -R' "$(uname -m)"
    fi
}

# All that is tracked must be in the archive but what is for the repository alone.
archive_is_whole()
{
    git -C "$TOP" rev-parse -q --verify HEAD >/dev/null 2>&1 || return 0
    tar -tf "$1" | sed 's,^[^/]*/,,' | sort >"$1.list"
    git -C "$TOP" ls-files | grep -vxE '(.*/)?\.gitignore|\.gitattributes' | sort |
        comm -23 - "$1.list" >"$1.lacks"
    [ ! -s "$1.lacks" ] || { echo "*** not in the archive:" && cat "$1.lacks" && return 1; }
}

# Nothing of the end-to-end tests differs between a clone and an archive that is whole: some of them
# do here.
dist_tests()
{
    (cd "$TOP" && find t/unit t/modules t/abi t/fuzz t/kit -maxdepth 1 \( -name 'check_*.c' -o \
        -name 'fuzz_*.c' -o -name '*.sh' ! -name once.sh ! -name installed.sh \) &&
        ls t/e2e/[04]?-*.sh t/e2e/12-*.sh t/e2e/61-*.sh t/e2e/9[01]-*.sh) | sed 's/\.c$//' | tr '\n' ' '
}

distcheck()
{
    local trs
    if (configured "$BUILD/dist") &&
        make -C "$BUILD/dist" -j"$TESTS_AT_ONCE" distcheck TESTS="$(dist_tests)" &&
        archive_is_whole "$BUILD"/dist/postern-*.tar.xz; then
        rm -rf "$BUILD/dist"
        return
    fi
    for trs in $(results "$BUILD/dist" '\(FAIL\|XPASS\|ERROR\)'); do
        show "${trs%.trs}.log" 30
    done
    return 1
}

# The tests of TLS run once over the system's wolfSSL, too: in what the other compiler builds.
tls_tests()
{
    (cd "$TOP" && find t/unit t/modules t/e2e -maxdepth 1 \
        \( -name 'check_tls*.c' -o -name '[0-9]*tls*.sh' \)) | sed 's/\.c$//' | sort | tr '\n' ' '
}

# Without TLS modules the daemon must build, and have none of them.
without_tls()
{
    (configured "$BUILD/without-tls" --without-wolfssl --enable-werror) &&
        make -C "$BUILD/without-tls" -j"$JOBS" all &&
        ! find "$BUILD/without-tls" -name '*.so' -exec readelf -d {} + | grep wolfssl &&
        rm -rf "$BUILD/without-tls"
}

scripts()
{
    cd "$TOP" && find . -path "./${BUILD#"$TOP"/}" -prune -o -path ./.git -prune -o \
        -path ./build-aux -prune -o -name '*.sh' -print0 |
        xargs -0 shellcheck -S warning bootstrap .ci/run
}

manuals()
{
    cd "$TOP" && mandoc -T lint -W warning ./doc/*.[0-9]
}

# Over the system's TLS library, as Debian would build them.
packages()
{
    single packages env -u WITH_WOLFSSL bash "$TOP/t/packages.sh" "$BUILD/packages-check"
    sed -n 's/^skipped:/skipped packages:/p' "$LOGS/packages.log"
}

declare -fx say show results configured archive_is_whole dist_tests distcheck without_tls scripts manuals
export TOP BUILD LOGS JOBS TESTS_AT_ONCE WITH_WOLFSSL

# run STEP
run()
{
    case $1 in
    gcc) suite gcc "" --enable-werror ;;
    asan) suite asan "" --enable-werror --enable-sanitizers=address,undefined ;;
    tsan) WRAP=$(without_aslr) suite tsan "" --enable-sanitizers=thread ;;
    fuzz) suite fuzz "$(fuzz_targets)" CC=clang --enable-fuzz ;;
    clang) suite clang "$(tls_tests)" CC=clang CFLAGS="-g -gdwarf-4 -O2" --with-wolfssl=yes \
        --enable-werror ;;
    without-tls) single without-tls bash -c without_tls ;;
    distcheck) single distcheck bash -c distcheck ;;
    shellcheck) single shellcheck bash -c scripts ;;
    manuals) single manuals bash -c manuals ;;
    packages) packages ;;
    *) say "unknown step $1" && FAILED=$((FAILED + 1)) ;;
    esac
}

fuzz_targets()
{
    (cd "$TOP" && printf '%s\n' t/fuzz/fuzz_*.c) | sed 's/\.c$//' | tr '\n' ' '
}

if [ $# -eq 0 ]; then
    set -- shellcheck manuals gcc asan tsan clang without-tls fuzz distcheck packages
fi
say "Logs are in $LOGS; the whole takes about 25 minutes on two cores."
for step; do
    run "$step"
done
[ -z "$REASONS" ] || say "$REASONS"
say "$PASSED passed, $FAILED failed"
[ "$FAILED" -eq 0 ]
