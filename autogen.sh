#!/bin/sh
# autogen.sh - makes ./configure from configure.ac; needs autoconf, automake, libtool, autoconf-archive.
set -eu
cd "$(dirname "$0")"
mkdir -p m4 build-aux
exec autoreconf --install --force "$@"
