#!/bin/sh
# autogen.sh - makes ./configure from configure.ac; needs the Autotools (scripts/packages).
set -eu
cd "$(dirname "$0")"
mkdir -p m4 build-aux
exec autoreconf --install --force "$@"
