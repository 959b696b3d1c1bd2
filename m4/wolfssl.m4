dnl SPDX-License-Identifier: GPL-2.0-or-later
dnl The TLS library of the TLS modules: where it is, what it can do, how fast it is.

dnl WOLFSSL_FIND: sets with_wolfssl (no, yes, or a prefix), wolfssl_libdir for a prefix. What is
dnl missing is left to NEED_REPORT.
AC_DEFUN([WOLFSSL_FIND],
[AC_ARG_VAR([WOLFSSL_PREFIX], [the same as --with-wolfssl=PREFIX])
AC_ARG_WITH([wolfssl],
    [AS_HELP_STRING([--with-wolfssl=PREFIX],
        [build the TLS modules with the wolfSSL there, and install it as a library of theirs
         @<:@default: what pkg-config finds@:>@])
AS_HELP_STRING([--without-wolfssl], [build no TLS modules])],
    [], [with_wolfssl=${WOLFSSL_PREFIX:-yes}])
wolfssl_libdir=
AS_CASE([$with_wolfssl],
    [no], [],
    [yes],
        [NEED_LIBRARY([WOLFSSL], [wolfssl >= 5.5], [libwolfssl-dev])
        AS_CASE([$need_packages],
            [*wolfssl*], [need_hints="
libwolfssl-dev is for the TLS modules. A much faster wolfSSL is made by contrib/build-wolfssl.sh and
taken with --with-wolfssl=PREFIX; --without-wolfssl leaves the TLS modules out.
"])],
    [/*],
        [for dir in lib lib64 lib/$host_cpu-$host_os; do
            AS_IF([test "x$wolfssl_libdir" = x && test -e "$with_wolfssl/$dir/pkgconfig/wolfssl.pc"],
                [wolfssl_libdir=$with_wolfssl/$dir])
        done
        AS_IF([test "x$wolfssl_libdir" = x],
            [AC_MSG_ERROR([there is no wolfSSL in $with_wolfssl (no lib/pkgconfig/wolfssl.pc). This makes one:

    contrib/build-wolfssl.sh $with_wolfssl
])])
        save_PKG_CONFIG_PATH=$PKG_CONFIG_PATH
        PKG_CONFIG_PATH=$wolfssl_libdir/pkgconfig:$PKG_CONFIG_PATH
        export PKG_CONFIG_PATH
        NEED_LIBRARY([WOLFSSL], [wolfssl >= 5.5], [libwolfssl-dev])
        PKG_CONFIG_PATH=$save_PKG_CONFIG_PATH],
    [AC_MSG_ERROR([--with-wolfssl takes the absolute path of a prefix, not $with_wolfssl])])
WITH_WOLFSSL=$with_wolfssl
AC_SUBST([WITH_WOLFSSL])
WOLFSSL_PRIVATE_COPY
AM_CONDITIONAL([HAVE_WOLFSSL], [test "x$with_wolfssl" != xno])])

dnl WOLFSSL_TRY(NAME, WHAT, HEADERS, BODY): NAME is 1 when that links, or else 0.
AC_DEFUN([WOLFSSL_TRY],
[AC_MSG_CHECKING([whether wolfSSL has $2])
AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <wolfssl/options.h>
    #include <wolfssl/ssl.h>
    ]$3], [$4])],
    [$1=1
    AC_MSG_RESULT([yes])],
    [$1=0
    AC_MSG_RESULT([no])])])

dnl The same, as a substitution.
AC_DEFUN([WOLFSSL_FEATURE], [AC_SUBST([$1])
WOLFSSL_TRY([$1], [$2], [$3], [$4])])

dnl WOLFSSL_NEED(WHAT, BODY): what there is no TLS module without.
AC_DEFUN([WOLFSSL_NEED],
[WOLFSSL_TRY([wolfssl_needed], [$1], [], [$2])
AS_IF([test $wolfssl_needed = 0], [wolfssl_lacks="$wolfssl_lacks
    $1"])])

dnl WOLFSSL_ACCELERATION(CONDITION, WORDS, CPUS): whether the library was built so, where there is
dnl such a thing.
AC_DEFUN([WOLFSSL_ACCELERATION],
[AS_CASE([$host_cpu],
    [$3],
        [AC_COMPILE_IFELSE([AC_LANG_SOURCE([[#include <wolfssl/options.h>
            #if !($1)
            #error without
            #endif
            int unused;]])],
            [wolfssl_accel="${wolfssl_accel:+$wolfssl_accel, }$2"],
            [wolfssl_slow="${wolfssl_slow:+$wolfssl_slow, }no $2"])])])

AC_DEFUN([WOLFSSL_NEEDS],
[wolfssl_lacks=
wolfssl_needed=
WOLFSSL_NEED([TLS 1.3], [[return wolfSSL_CTX_no_ticket_TLSv13(wolfSSL_CTX_new(wolfTLS_server_method()));]])
WOLFSSL_NEED([lists of groups], [[return wolfSSL_CTX_set_groups(0, 0, 0);]])
WOLFSSL_NEED([tickets with keys of our own], [[return wolfSSL_CTX_set_TicketEncCb(0, 0);]])
WOLFSSL_NEED([ALPN], [[return wolfSSL_UseALPN(0, 0, 0, 0);]])
WOLFSSL_NEED([server names], [[return wolfSSL_UseSNI(0, 0, 0, 0);]])
WOLFSSL_NEED([revocation lists], [[return wolfSSL_CTX_LoadCRLBuffer(0, 0, 0, 0);]])
WOLFSSL_NEED([its OpenSSL functions],
    [[int n = 0; return wolfSSL_X509_get_der(wolfSSL_get_peer_certificate(0), &n) != 0;]])
AS_IF([test "x$wolfssl_lacks" != x],
    [AC_MSG_ERROR([this wolfSSL was built without what the TLS modules need:
$wolfssl_lacks

Use another one (contrib/build-wolfssl.sh makes it), or --without-wolfssl for no TLS modules.])])])

AC_DEFUN([WOLFSSL_FEATURES],
[WOLFSSL_FEATURE([TLS_HAVE_MLKEM], [the hybrid group X25519MLKEM768], [],
    [[int g = WOLFSSL_X25519MLKEM768; return wolfSSL_CTX_set_groups(0, &g, 1);]])
WOLFSSL_FEATURE([TLS_HAVE_ECH], [encrypted ClientHello], [],
    [[return wolfSSL_CTX_GenerateEchConfig(0, 0, 0, 0, 0) + wolfSSL_CTX_SetEchConfigsBase64(0, 0, 0);]])
WOLFSSL_FEATURE([TLS_HAVE_WRITE_KEYS], [access to the traffic keys], [],
    [[return wolfSSL_GetServerWriteKey(0) != wolfSSL_GetServerWriteIV(0);]])
WOLFSSL_FEATURE([TLS_HAVE_STATUS_CB], [a callback for OCSP responses], [],
    [[return wolfSSL_CTX_set_tlsext_status_cb(0, 0) + (int)wolfSSL_CTX_set_tlsext_status_arg(0, 0) +
        wolfSSL_set_tlsext_status_ocsp_resp_multi(0, 0, 0, 0);]])
WOLFSSL_FEATURE([TLS_HAVE_STATUS_RESP], [OCSP responses from the application], [],
    [[#ifndef WOLFSSL_OCSP_RESPONSE_FROM_APP
    #error without
    #endif
    return wolfSSL_CTX_EnableOCSPStapling(0) + (int)wolfSSL_set_tlsext_status_ocsp_resp(0, 0, 0);]])
WOLFSSL_FEATURE([TLS_HAVE_CPUID_CLEAR], [a way to leave out a processor feature],
    [[#include <wolfssl/wolfcrypt/cpuid.h>]], [[cpuid_clear_flag(CPUID_SHA);]])
WOLFSSL_FEATURE([TLS_HAVE_PEER_CHAIN], [the chain of the peer], [],
    [[return wolfSSL_get_peer_cert_chain(0) != 0;]])
WOLFSSL_FEATURE([TLS_HAVE_CHECK_IP], [a check of IP addresses in certificates], [],
    [[return wolfSSL_X509_check_ip_asc(0, 0, 0);]])
WOLFSSL_FEATURE([TLS_HAVE_ALPN_SELECT], [a choice of protocol by the application], [],
    [[wolfSSL_CTX_set_alpn_select_cb(0, 0, 0);]])
WOLFSSL_FEATURE([TLS_HAVE_SECRET_CB], [the secrets for a key log], [],
    [[return wolfSSL_set_tls13_secret_cb(0, 0, 0);]])])

dnl A library that we were given by its prefix is installed as a private one, where nobody else finds
dnl it. Others of the same soname may have structs of another layout, and the dynamic linker takes
dnl them where it cannot have ours, even for want of memory: it should have a soname of its own.
AC_DEFUN([WOLFSSL_PRIVATE_COPY],
[WOLFSSL_PRIVATE=
WOLFSSL_LDFLAGS=
AS_CASE([$with_wolfssl],
    [yes | no | /usr | /usr/local], [],
    [for file in "$wolfssl_libdir"/libwolfssl.so.* "$wolfssl_libdir"/libwolfssl-postern*.so.*; do
        AS_CASE([$file], [*.so.*[[!0-9]]*], [], [WOLFSSL_PRIVATE=$file])
    done
    AS_IF([test -e "$WOLFSSL_PRIVATE"], [],
        [AC_MSG_ERROR([there is no shared libwolfssl in $wolfssl_libdir])])
    AS_CASE([$WOLFSSL_PRIVATE],
        [*/libwolfssl.so.*],
            [AC_MSG_WARN([$WOLFSSL_PRIVATE
    is named like the system's: where it cannot be loaded the system's is, and fails in unforeseen
    ways if it was built otherwise. contrib/build-wolfssl.sh gives it a name of its own.])])
    WOLFSSL_LDFLAGS="-Wl,-rpath,'\$\$ORIGIN/..' -Wl,-rpath,\$(pkglibdir)"])
AC_SUBST([WOLFSSL_PRIVATE])
AC_SUBST([WOLFSSL_LDFLAGS])
AM_CONDITIONAL([HAVE_PRIVATE_WOLFSSL], [test "x$WOLFSSL_PRIVATE" != x])])

AC_DEFUN([WOLFSSL_SPEED],
[AC_MSG_CHECKING([what accelerates wolfSSL])
wolfssl_accel=
wolfssl_slow=
WOLFSSL_ACCELERATION([defined(WOLFSSL_AESNI)], [AES-NI], [x86_64])
WOLFSSL_ACCELERATION([defined(WOLFSSL_ARMASM)], [ARMv8 AES], [aarch64])
WOLFSSL_ACCELERATION([defined(WOLFSSL_SP_X86_64_ASM) || defined(WOLFSSL_SP_ARM64_ASM)],
    [SP assembly], [x86_64 | aarch64])
AC_MSG_RESULT([${wolfssl_accel:-nothing}])
AS_IF([test "x$wolfssl_slow" != x],
    [AC_MSG_WARN([this wolfSSL was built with $wolfssl_slow:
    TLS will need several times the CPU that it could. contrib/build-wolfssl.sh makes a fast one
    for --with-wolfssl=PREFIX; ./bootstrap build does both.])])
TLS_LIBRARY_ACCEL=$wolfssl_accel
AC_SUBST([TLS_LIBRARY_ACCEL])])

dnl WOLFSSL_CHECK: after NEED_REPORT. Substitutes WOLFSSL_CFLAGS, _LIBS, _LDFLAGS, _PRIVATE and
dnl all that modules/tls-common/tls_features.h says; sets wolfssl_summary.
AC_DEFUN([WOLFSSL_CHECK],
[AS_IF([test "x$with_wolfssl" = xno],
    [wolfssl_summary="no (--without-wolfssl): connections are passed through only"],
    [save_CPPFLAGS=$CPPFLAGS
    save_LIBS=$LIBS
    CPPFLAGS="$CPPFLAGS $WOLFSSL_CFLAGS"
    LIBS="$WOLFSSL_LIBS $LIBS"
    WOLFSSL_NEEDS
    WOLFSSL_FEATURES
    WOLFSSL_SPEED
    CPPFLAGS=$save_CPPFLAGS
    LIBS=$save_LIBS
    AS_IF([test "x$wolfssl_libdir" = x],
        [wolfssl_where=`$PKG_CONFIG --variable=libdir wolfssl`], [wolfssl_where=$wolfssl_libdir])
    AS_IF([test "x$WOLFSSL_PRIVATE" != x], [wolfssl_where="a copy of $wolfssl_where"])
    wolfssl_summary="with wolfSSL ($wolfssl_where; ${wolfssl_accel:-no acceleration})"])])
