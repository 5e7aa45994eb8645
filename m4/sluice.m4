# SPDX-License-Identifier: Apache-2.0

# SLUICE_CHECK_OVS
#
# Finds the Open vSwitch tree that ovs-ext/prepare-ovs made, as OVN does, and
# what it takes to link libopenvswitch from it.
AC_DEFUN([SLUICE_CHECK_OVS], [
  AC_ARG_WITH([ovs-source],
    [AS_HELP_STRING([--with-ovs-source=DIR],
                    [Open vSwitch's source, from ovs-ext/prepare-ovs])],
    [ovs_source=$withval],
    [AC_MSG_ERROR([name the Open vSwitch source: run ovs-ext/prepare-ovs DIR, then configure --with-ovs-source=DIR/src --with-ovs-build=DIR/build])])
  AC_ARG_WITH([ovs-build],
    [AS_HELP_STRING([--with-ovs-build=DIR], [where it was built])],
    [ovs_build=$withval],
    [AC_MSG_ERROR([name the Open vSwitch build: configure --with-ovs-build=DIR])])
  OVS_SOURCE=`cd "$ovs_source" && pwd`
  OVS_BUILD=`cd "$ovs_build" && pwd`
  AS_IF([test ! -f "$OVS_SOURCE/vswitchd/bridge.c"],
        [AC_MSG_ERROR([$ovs_source is not the source of Open vSwitch])])
  AS_IF([test ! -f "$OVS_BUILD/lib/.libs/libopenvswitch.a"],
        [AC_MSG_ERROR([$ovs_build is not a finished build of Open vSwitch])])
  # System directories: their warnings are not ours to fix.
  OVS_CFLAGS="-isystem $OVS_BUILD -isystem $OVS_BUILD/include"
  OVS_CFLAGS="$OVS_CFLAGS -isystem $OVS_SOURCE/include"
  OVS_CFLAGS="$OVS_CFLAGS -isystem $OVS_BUILD/lib -isystem $OVS_SOURCE/lib"
  # What a file needs besides that looks into packets: they are DPDK's, too.
  OVS_DPDK_CFLAGS=`sed -n 's/^DPDK_CFLAGS = //p' "$OVS_BUILD/Makefile" \
                   | sed 's/\(^\| \)-I/\1-isystem /g'`
  # Libtool's list of what the library needs, its own archives spelled out.
  ovs_deps=`sed -n "s/^dependency_libs='\(.*\)'/\1/p" \
            "$OVS_BUILD/lib/libopenvswitch.la" \
            | sed 's,\([[^ ]]*\)/\([[^ /]]*\)\.la,\1/.libs/\2.a,g'`
  OVS_LIBS="$OVS_BUILD/lib/.libs/libopenvswitch.a -Wl,--as-needed $ovs_deps"
  OVS_LIBS="$OVS_LIBS -lpthread -lrt -lm"
  # A source that prepare-ovs did not make has no log_tunnel, or that of
  # another state of this tree, which ours cannot be compiled with.
  ovs_log_tunnel=yes
  for ovs_header in "$srcdir"/ovs-ext/sluice/lib/*.h "$srcdir"/lib/tlv.h; do
    cmp -s "$ovs_header" \
        "$OVS_SOURCE/lib/sluice/`basename "$ovs_header"`" || ovs_log_tunnel=no
  done
  AS_IF([test "$ovs_log_tunnel" = no],
        [AC_MSG_WARN([$OVS_SOURCE has not the log_tunnel of this tree; run ovs-ext/prepare-ovs, then configure])])
  AM_CONDITIONAL([OVS_LOG_TUNNEL], [test "$ovs_log_tunnel" = yes])
  AC_SUBST([OVS_SOURCE])
  AC_SUBST([OVS_BUILD])
  AC_SUBST([OVS_CFLAGS])
  AC_SUBST([OVS_DPDK_CFLAGS])
  AC_SUBST([OVS_LIBS])
])

# SLUICE_ENABLE_WERROR
AC_DEFUN([SLUICE_ENABLE_WERROR], [
  AC_ARG_ENABLE([Werror],
    [AS_HELP_STRING([--disable-Werror], [let warnings pass])],
    [], [enable_Werror=yes])
  WARNING_CFLAGS="-Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes"
  WARNING_CFLAGS="$WARNING_CFLAGS -Wshadow -Wpointer-arith -Wundef -Wvla"
  AS_IF([test "x$enable_Werror" = xyes],
        [WARNING_CFLAGS="$WARNING_CFLAGS -Werror"])
  AC_SUBST([WARNING_CFLAGS])
])

# SLUICE_ENABLE_SANITIZERS
AC_DEFUN([SLUICE_ENABLE_SANITIZERS], [
  AC_ARG_ENABLE([sanitizers],
    [AS_HELP_STRING([--enable-sanitizers],
                    [build with AddressSanitizer and UBSan])])
  SANITIZER_FLAGS=
  AS_IF([test "x$enable_sanitizers" = xyes],
        [SANITIZER_FLAGS="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"])
  AC_SUBST([SANITIZER_FLAGS])
])

# SLUICE_ENABLE_FAILPOINTS
#
# In unless they are left out: where they are not used they cost nothing that
# can be measured, and so what is tested is what is installed.
AC_DEFUN([SLUICE_ENABLE_FAILPOINTS], [
  AC_ARG_ENABLE([failpoints],
    [AS_HELP_STRING([--disable-failpoints],
                    [leave out what lets a test kill the programs at named
                     points])])
  FAILPOINT_CPPFLAGS=
  AS_IF([test "x$enable_failpoints" = xno],
        [FAILPOINT_CPPFLAGS=-DSLUICE_NO_FAILPOINTS])
  AC_SUBST([FAILPOINT_CPPFLAGS])
])

# SLUICE_ENABLE_FUZZING
#
# With CC=clang: the targets of tests/fuzz become libFuzzer programs, and all is
# built with AddressSanitizer and UBSan.  Without it they replay their corpus.
AC_DEFUN([SLUICE_ENABLE_FUZZING], [
  AC_ARG_ENABLE([fuzzing],
    [AS_HELP_STRING([--enable-fuzzing], [link libFuzzer; needs CC=clang])])
  FUZZ_FLAGS=
  AS_IF([test "x$enable_fuzzing" = xyes], [
    sluice_flags="address,undefined -fno-sanitize-recover=all"
    SANITIZER_FLAGS="-fsanitize=fuzzer-no-link,$sluice_flags -fno-omit-frame-pointer"
    FUZZ_FLAGS="-fsanitize=fuzzer,$sluice_flags"
    # Clang looks into the macros of others, whose warnings are not ours.
    WARNING_CFLAGS="$WARNING_CFLAGS -Wno-sign-compare -Wno-missing-field-initializers"
    AC_MSG_CHECKING([whether $CC has libFuzzer])
    sluice_cflags=$CFLAGS
    CFLAGS="$CFLAGS $FUZZ_FLAGS"
    AC_LINK_IFELSE([AC_LANG_SOURCE([
#include <stddef.h>
#include <stdint.h>
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void) data;
    return size == 1 ? -1 : 0;
}
])],
      [AC_MSG_RESULT([yes])],
      [AC_MSG_RESULT([no])
       AC_MSG_ERROR([$CC cannot link libFuzzer: install clang and libclang-rt-14-dev, and configure with CC=clang --enable-fuzzing])])
    CFLAGS=$sluice_cflags
  ])
  AC_SUBST([FUZZ_FLAGS])
  AM_CONDITIONAL([FUZZING], [test "x$enable_fuzzing" = xyes])
])
