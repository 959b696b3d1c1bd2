dnl SPDX-License-Identifier: GPL-2.0-or-later

dnl TRY_CFLAGS(FLAGS, VARIABLE): append FLAGS to VARIABLE when the compiler takes them silently.
AC_DEFUN([TRY_CFLAGS],
[AC_MSG_CHECKING([whether $CC accepts $1])
try_flags_save=$CFLAGS
CFLAGS="$CFLAGS -Werror $1"
AC_LINK_IFELSE(
    [AC_LANG_PROGRAM([[#include <string.h>]], [[char b[32]; memset(b, 0, sizeof(b)); return b[0];]])],
    [AC_MSG_RESULT([yes]); $2="$$2 $1"],
    [AC_MSG_RESULT([no])])
CFLAGS=$try_flags_save])

dnl TRY_LDFLAGS(FLAGS, VARIABLE [, MORE-CFLAGS]): the same for the linker.
AC_DEFUN([TRY_LDFLAGS],
[AC_MSG_CHECKING([whether the linker accepts $1])
try_flags_save=$CFLAGS
try_flags_save_ld=$LDFLAGS
CFLAGS="$CFLAGS $3"
LDFLAGS="$LDFLAGS $1"
AC_LINK_IFELSE(
    [AC_LANG_PROGRAM([[#include <stdio.h>]], [[return puts("");]])],
    [AC_MSG_RESULT([yes]); $2="$$2 $1"],
    [AC_MSG_RESULT([no])])
CFLAGS=$try_flags_save
LDFLAGS=$try_flags_save_ld])
