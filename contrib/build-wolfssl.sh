#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# build-wolfssl.sh PREFIX [SOURCE]: a wolfSSL made for a busy server, installed into PREFIX.
#
# Debian's library is built for everything and everywhere: without the processor's AES and without
# fast big numbers, it needs several times the CPU and memory. This builds Debian's own source
# package, with its security patches, as a server wants it. SOURCE, an unpacked wolfSSL, is built
# instead when given. The result has structs of another layout and therefore a soname of its own,
# libwolfssl-postern.so.N, so that neither is ever loaded in the other's place. It is for Postern
# alone, and `configure --with-wolfssl=PREFIX` installs it as Postern's private library.
#
# A PREFIX that holds the same version, built the same way, is left as it is.

set -euo pipefail

SELF=$(realpath "${BASH_SOURCE[0]}")
PATCHES=${SELF%/*}/wolfssl
PREFIX=$(realpath -m "${1:?usage: build-wolfssl.sh PREFIX [SOURCE]}")
SOURCE=${2:+$(realpath -e "$2")}
STAMP=$PREFIX/postern-build
WORK=
JOBS=$(nproc 2>/dev/null || echo 2)

# wolfSSL's configure sets no optimisation of its own in some setups, and none is Autoconf's then:
# without CFLAGS the result may be -O0.
CFLAGS="-O2 -g -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=2"
LDFLAGS="-Wl,-z,relro,-z,now"
# Room for cipher suites in a ClientHello, in bytes: without it one with more than 150 suites is
# refused, and scanners send such.
CPPFLAGS="-DWOLFSSL_MAX_SUITE_SZ=1024"
# Each record is wiped when it has been read, eight bytes at a time: libc wipes ten times as fast.
CPPFLAGS="$CPPFLAGS -DWOLFSSL_NO_FORCE_ZERO -DForceZero=explicit_bzero"
# Nobody reads its list of errors, and a thread's first would need memory that libc cannot go without.
CPPFLAGS="$CPPFLAGS -DNO_ERROR_QUEUE"

# What a TLS proxy needs, and nothing that makes sessions larger.
FEATURES=(
    --disable-static --disable-examples --disable-crypttests
    --enable-sp=yes
    --enable-tls13 --disable-oldtls --enable-tlsx --enable-sni --enable-alpn --enable-session-ticket
    --enable-crl --enable-ocsp --enable-ocspstapling
    --enable-curve25519 --enable-ed25519 --enable-certext --enable-keying-material
    --enable-opensslextra --enable-atomicuser --enable-cryptocb
)
FEATURES_X86_64=(--enable-intelasm --enable-aesni --enable-sp-asm)
# Of later versions: used when the source knows them.
FEATURES_LATER=(--enable-mlkem --enable-ech)

say()
{
    printf '%s\n' "$*"
}

die()
{
    printf 'build-wolfssl.sh: %s\n' "$*" >&2
    exit 1
}

machine()
{
    "${CC:-cc}" -dumpmachine 2>/dev/null || uname -m
}

# The version that Debian would install, empty when this machine does not know. A rebuild of the
# binary package alone (+b1) has the same source.
debian_version()
{
    [ -z "$SOURCE" ] || { printf '%s' "$SOURCE"; return 0; }
    apt-cache policy libwolfssl-dev 2>/dev/null |
        sed -n 's/^ *Candidate: *\([^ (]*\).*/\1/p' | sed 's/+b[0-9]*$//'
}

recipe()
{
    printf 'recipe %s %s\n' "$(cat "$SELF" "$PATCHES"/*.patch | sha256sum | cut -c 1-16)" "$(machine)"
}

# is_current CANDIDATE: whether PREFIX holds this recipe's build of it.
is_current()
{
    [ -e "$PREFIX/lib/libwolfssl.so" ] && [ -e "$STAMP" ] && [ -z "$SOURCE" ] || return 1
    grep -qxF "$(recipe)" "$STAMP" || return 1
    [ -z "$1" ] || grep -qxF "candidate $1" "$STAMP"
}

# apt_private COMMAND...: apt-get over this machine's own package sources, as source packages, with
# lists and cache of its own. The system's apt is only read.
apt_private()
{
    apt-get -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$WORK/apt/sources" \
        -o Dir::State::Lists="$WORK/apt/lists" -o Dir::Cache="$WORK/apt/cache" \
        -o APT::Get::List-Cleanup=0 "$@"
}

private_sources()
{
    local etc f
    etc=$(apt-config shell d Dir::Etc/d | sed "s/^d='\(.*\)'$/\1/")
    mkdir -p "$WORK/apt/sources" "$WORK/apt/lists/partial" "$WORK/apt/cache/archives/partial"
    for f in "$etc"/sources.list "$etc"/sources.list.d/*.list; do
        [ -r "$f" ] || continue
        sed -n 's/^[[:space:]]*deb[[:space:]]/deb-src /p' "$f" >"$WORK/apt/sources/${f##*/}"
    done
    for f in "$etc"/sources.list.d/*.sources; do
        [ -r "$f" ] || continue
        sed 's/^\([Tt]ypes:\).*/\1 deb-src/' "$f" >"$WORK/apt/sources/${f##*/}"
    done
}

# Other people's package sources may have no source packages; only wolfSSL matters.
fetch_source()
{
    command -v dpkg-source >/dev/null || die "dpkg-source is missing: apt-get install dpkg-dev"
    private_sources
    apt_private update || say "apt-get update complained; trying on"
    cd "$WORK"
    apt_private source wolfssl
    find "$WORK" -mindepth 1 -maxdepth 1 -type d -name 'wolfssl-*' >"$WORK/found"
    SOURCE_DIR=$(head -n 1 "$WORK/found")
    [ -d "$SOURCE_DIR" ] || die "apt-get source wolfssl left no folder"
}

copy_source()
{
    SOURCE_DIR=$WORK/wolfssl
    cp -a "$SOURCE" "$SOURCE_DIR"
}

# fits PATCH: apply it, when it does.
fits()
{
    patch -p1 --batch --dry-run --fuzz=0 <"$PATCHES/$1" >/dev/null 2>&1 &&
        patch -p1 --batch <"$PATCHES/$1"
}

# The source is changed a little (see the patches); what does not fit is left out, and Postern's
# configure finds out what the result can do.
patch_source()
{
    cd "$SOURCE_DIR"
    fits long-ticket.patch ||
        say "long-ticket.patch does not fit this wolfSSL: tickets of other servers may be refused"
    if fits system-random.patch; then
        CPPFLAGS="$CPPFLAGS -DCUSTOM_RAND_GENERATE_BLOCK=wc_SystemRandomBlock"
        FEATURES+=(--disable-hashdrbg)
    else
        say "system-random.patch does not fit this wolfSSL: handshakes take some more time"
    fi
    grep -q wolfSSL_set_tlsext_status_ocsp_resp_multi wolfssl/ssl.h && return 0
    if fits ocsp-response.patch; then
        CPPFLAGS="$CPPFLAGS -DWOLFSSL_OCSP_RESPONSE_FROM_APP"
    else
        say "ocsp-response.patch does not fit this wolfSSL: it will not staple OCSP responses"
    fi
}

configure_source()
{
    local features=("${FEATURES[@]}") help f
    cd "$SOURCE_DIR"
    [ -x configure ] || autoreconf -fi
    case $(machine) in
    x86_64-*) features+=("${FEATURES_X86_64[@]}") ;;
    esac
    help=$(./configure --help)
    for f in "${FEATURES_LATER[@]}"; do
        case $help in *"$f"*) features+=("$f") ;; esac
    done
    ./configure --prefix="$PREFIX" "${features[@]}" CPPFLAGS="$CPPFLAGS" CFLAGS="$CFLAGS" \
        LDFLAGS="$LDFLAGS"
    sed -i 's/^src_libwolfssl_la_LDFLAGS *=/& -release postern/' Makefile
    grep -q '^src_libwolfssl_la_LDFLAGS = -release postern' Makefile ||
        die "this wolfSSL's Makefile has no place for another soname"
}

# Installed beside PREFIX first: it is never half there. options.h says how the library was built,
# and is not always installed. libtool's description would put PREFIX into every module.
install_result()
{
    local root=$WORK/root
    make -s install DESTDIR="$root"
    cp wolfssl/options.h "$root$PREFIX/include/wolfssl/"
    rm -f "$root$PREFIX"/lib/*.la
    # shellcheck disable=SC2016 # pkg-config expands it
    sed -i 's|^prefix=.*|prefix=${pcfiledir}/../..|' "$root$PREFIX/lib/pkgconfig/wolfssl.pc"
    {
        recipe
        printf 'candidate %s\n' "$CANDIDATE"
        printf 'source %s\n' "${SOURCE_DIR##*/}"
    } >"$root$PREFIX/postern-build"
    rm -rf "$PREFIX"
    mkdir -p "${PREFIX%/*}"
    mv "$root$PREFIX" "$PREFIX"
}

CANDIDATE=$(debian_version)
if is_current "$CANDIDATE"; then
    say "wolfSSL in $PREFIX is current"
    exit 0
fi
mkdir -p "${PREFIX%/*}"
WORK=$(mktemp -d "${PREFIX%/*}/wolfssl-build.XXXXXX")
chmod 755 "$WORK" # apt downloads as a user of its own
trap 'rm -rf "$WORK"' EXIT
if [ -n "$SOURCE" ]; then
    copy_source
else
    fetch_source
fi
patch_source
configure_source
make -s -j"$JOBS"
install_result
say "wolfSSL is in $PREFIX"
