dnl SPDX-License-Identifier: GPL-2.0-or-later
dnl What is missing is collected and reported at once, with the Debian packages that bring it.

dnl NEED_LIBRARY(VARIABLE, PKG-CONFIG-MODULES, DEBIAN-PACKAGE)
AC_DEFUN([NEED_LIBRARY],
[PKG_CHECK_MODULES([$1], [$2], [],
    [AC_MSG_WARN([$2 not found; the Debian package is $3])
    need_packages="$need_packages $3"])])

dnl NEED_FUNCTION(NAME): a function of the C library that there is no way around.
AC_DEFUN([NEED_FUNCTION],
[AC_CHECK_FUNC([$1], [],
    [AC_MSG_ERROR([the C library has no $1(): Postern needs Linux with glibc 2.28 or newer (Debian 10
or newer) or musl, and the Debian package libc6-dev])])])

dnl NEED_REPORT: stop when something was missing.
AC_DEFUN([NEED_REPORT],
[AS_IF([test "x$need_packages" != x],
    [AC_MSG_ERROR([libraries are missing. On Debian and Ubuntu this brings them:

    apt-get install$need_packages
$need_hints])])])
