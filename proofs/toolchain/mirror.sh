# shellcheck shell=bash
# Sourced by setup.sh and fresh.sh: which package mirror this system uses for Debian 12.
# SPDX-License-Identifier: Apache-2.0

# Prints the address the system takes a suite (bookworm, bookworm-updates, bookworm-security) from, or nothing.
# It asks what apt would download, which works before the first `apt-get update` too.
mirror_of() {
  local name=$1
  [ "$name" != bookworm ] || name='(bookworm|oldstable|stable)'
  apt-get --print-uris update 2>/dev/null | sed -nE "s#^'([^']*)/dists/$name/(In)?Release'.*#\\1#p" | awk 'NR == 1'
}
