# SPDX-License-Identifier: Apache-2.0

dnl SLUICE_CHECK_ADAPTERS
dnl
dnl Whether the adapters can be built, each of which is a program for one
dnl library.  A proxy without an adapter refuses its destinations, or can't ask
dnl its managers, and does everything else.
AC_DEFUN([SLUICE_CHECK_ADAPTERS],
 [_SLUICE_CHECK_ADAPTER([relp], [RELP], [relp >= 1.5], [librelp-dev])
  _SLUICE_CHECK_ADAPTER([kafka], [RDKAFKA], [rdkafka >= 1.6],
                        [librdkafka-dev])
  _SLUICE_CHECK_ADAPTER([libvirt], [LIBVIRT], [libvirt >= 6.0],
                        [libvirt-dev])])

dnl _SLUICE_CHECK_ADAPTER(NAME, PREFIX, MODULE, PACKAGE)
AC_DEFUN([_SLUICE_CHECK_ADAPTER],
 [AC_ARG_WITH([$1],
    [AS_HELP_STRING([--without-$1],
                    [do not build sluice-$1, even if its library is there])],
    [], [with_$1=check])
  have_$1=no
  AS_IF([test "x$with_$1" != xno],
        [PKG_CHECK_MODULES([$2], [$3], [have_$1=yes],
          [AS_IF([test "x$with_$1" = xyes],
                 [AC_MSG_ERROR([$3 is missing: install $4])],
                 [AC_MSG_WARN([$3 is missing, so sluice-$1 is not built, and a
destination or manager called so cannot be used: install $4, or say --without-$1])])])])
  AM_CONDITIONAL([HAVE_]m4_toupper([$1]), [test "x$have_$1" = xyes])])
