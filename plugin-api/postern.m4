dnl SPDX-License-Identifier: MIT
dnl serial 1

dnl POSTERN_MODULE([MINIMUM-VERSION], [ACTION-IF-FOUND], [ACTION-IF-NOT-FOUND])
dnl
dnl For the configure.ac of modules of the Postern TLS edge proxy. Finds the installed headers with
dnl pkg-config and substitutes
dnl     POSTERN_CFLAGS          compiler flags
dnl     POSTERN_MODULE_LDFLAGS  libtool flags: a plain .so with one exported function
dnl     postern_moduledir       where the proxy looks for modules; --with-postern-moduledir=DIR
dnl In Makefile.am:
dnl     postern_module_LTLIBRARIES = hello.la
dnl     hello_la_CFLAGS = $(POSTERN_CFLAGS) -fvisibility=hidden
dnl     hello_la_LDFLAGS = -module $(POSTERN_MODULE_LDFLAGS)
dnl with postern_moduledir as the folder. Without ACTION-IF-NOT-FOUND, not found is an error.
AC_DEFUN([POSTERN_MODULE],
[AC_REQUIRE([PKG_PROG_PKG_CONFIG])dnl
AC_ARG_WITH([postern-moduledir],
    [AS_HELP_STRING([--with-postern-moduledir=DIR], [install the module there])],
    [], [with_postern_moduledir=])
PKG_CHECK_MODULES([POSTERN], [postern-module]m4_ifval([$1], [[ >= $1]]),
    [AS_IF([test "x$with_postern_moduledir" = x],
        [with_postern_moduledir=`$PKG_CONFIG --variable=moduledir postern-module`])
    AC_SUBST([postern_moduledir], [$with_postern_moduledir])
    AC_SUBST([POSTERN_MODULE_LDFLAGS],
        ["-module -avoid-version -shared -no-undefined -export-symbols-regex '^postern_module_v1\$\$'"])
    $2],
    m4_ifval([$3], [[$3]],
        [[AC_MSG_ERROR([the headers of Postern are missing; install Postern, or point PKG_CONFIG_PATH
at the folder of postern-module.pc])]]))])
