#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# build-packages.sh FOLDER [OPTION...]: the release archive, Debian's source package of it, and the
# binary packages, all into FOLDER. The options are those of dpkg-buildpackage; DEB_BUILD_OPTIONS and
# WITH_WOLFSSL (see debian/rules) are taken from the environment.

set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
mkdir -p "${1:?usage: build-packages.sh FOLDER [OPTION...]}"
OUT=$(cd "$1" && pwd)
shift
VERSION=$(dpkg-parsechangelog -l "$TOP/debian/changelog" -S Version)
VERSION=${VERSION%-*}
WORK=$(mktemp -d "$OUT/work.XXXXXX")
trap 'rm -rf "$WORK"' EXIT

# What is in the archive does not depend on the library, and without one configure is done sooner.
mkdir "$WORK/dist"
cd "$WORK/dist"
"$TOP/configure" -q --without-wolfssl
make -s dist
mv "postern-$VERSION.tar.xz" "$WORK/postern_$VERSION.orig.tar.xz"

cd "$WORK"
tar -xf "postern_$VERSION.orig.tar.xz"
cd "postern-$VERSION"
dpkg-buildpackage -us -uc "$@"
cd "$WORK"
rm -rf dist "postern-$VERSION"
mv -f postern* "$OUT"
