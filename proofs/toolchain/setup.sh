#!/bin/bash
# Installs the tools of the project on Debian 12 amd64, or checks that they are there. README.md beside it explains.
# SPDX-License-Identifier: Apache-2.0

set -euo pipefail

readonly groups="build prove bmc test bench fresh"
readonly driver_files="alt_ergo.drv alt_ergo_common.drv no-bv.gen"
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
# shellcheck source=env.sh
. "$here/env.sh"
# shellcheck source=mirror.sh
. "$here/mirror.sh"
readonly dir=$VERISPAN_TOOLCHAIN
# Alt-Ergo's program once cut_alt_ergo has been at it.
readonly alt_ergo_sum=569325ca58361245fbb3b41aa74dcdadb5d5aaeb1028931b0469d2c24947fb00
readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg
work=

usage() {
  cat <<EOF
usage: proofs/toolchain/setup.sh [--check] GROUP...
groups: $groups
Installs what each group needs and is not there yet; with --check only prints what is missing.
Exit status: 0 all there, 1 something is missing or failed, 2 wrong use or a system this script does not know.
EOF
}

say() { echo "setup: $*" >&2; }

die() {
  local status=$1
  shift
  say "error: $*"
  exit "$status"
}

cleanup() { [ -z "$work" ] || rm -rf "$work"; }

# ---- what a group needs ------------------------------------------------------------------------------------

# Prints the lines of a group's package list without comments.
package_lines() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$here/packages/$1.txt"; }

# Prints the private tools of a group.
private_tools() {
  case $1 in
    prove) echo alt-ergo ;;
    bmc) echo cbmc ;;
  esac
}

# Prints `private.txt` for one tool: suite, package, version, sum.
private_lines() { awk -v tool="$1" '$1 == tool { print $2, $3, $4, $5 }' "$here/private.txt"; }

# Prints where each command of a group must come from: name and target, which becomes a link in bin/.
links() {
  case $1 in
    prove) for c in frama-c why3 z3 cvc4; do echo "$c /usr/bin/$c"; done ;;
    # Debian's redis-server is this program under another name; its package would also start a service.
    test | bench) echo "redis-server /usr/bin/redis-check-rdb" ;;
  esac
}

# Prints command, arguments and the text its output must contain.
versions() {
  case $1 in
    prove)
      echo "frama-c|-version|25.0"
      echo "why3|--version|version 1.5.1"
      echo "z3|--version|version 4.8.12"
      echo "cvc4|--version|version 1.8"
      echo "alt-ergo|-version|2.0.0"
      ;;
    bmc)
      echo "cbmc|--version|6.6.0"
      echo "goto-cc|--version|6.6.0"
      echo "goto-instrument|--version|6.6.0"
      echo "cadical|--version|1.7.3" # what Debian's cadical 1.7.4 calls itself
      ;;
  esac
}

# ---- checks ------------------------------------------------------------------------------------------------

# Each prints one line for every thing that is missing or wrong: `install NAME` can be cured by apt, others cannot.

check_packages() {
  local name options option want have status
  while read -r name options; do
    want='*'
    for option in $options; do
      case $option in
        version=*) want=${option#version=} ;;
        unless=*) ! command -v "${option#unless=}" >/dev/null || continue 2 ;;
        *) die 1 "packages/$1.txt: bad option '$option' at $name" ;;
      esac
    done
    have=$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$name" 2>/dev/null) || have=
    read -r status have <<<"$have" || true
    if [ "$status" != installed ]; then
      echo "install $name"
    else
      # shellcheck disable=SC2053  # the right side is a pattern
      [[ $have == $want ]] || echo "wrong package $name is version $have, this project needs $want"
    fi
  done < <(package_lines "$1")
}

# What a complete private tool records of itself.
private_stamp() {
  private_lines "$1"
  [ "$1" != alt-ergo ] || echo "$alt_ergo_sum"
}

check_private() {
  local tool
  for tool in $(private_tools "$1"); do
    [ "$(cat "$dir/$tool/complete" 2>/dev/null)" = "$(private_stamp "$tool")" ] || echo "private $tool"
  done
}

check_generated() {
  local name target
  while read -r name target; do
    [ "$(readlink "$dir/bin/$name")" = "$target" ] || echo "link $name"
  done < <(links "$1")
  for name in $(private_commands "$1"); do
    [ "$(cat "$dir/bin/$name" 2>/dev/null)" = "$(private_command "$name")" ] || echo "wrapper $name"
  done
  if [ "$1" = prove ] && [ -d /usr/share/why3 ]; then
    [ "$(cat "$dir/why3.conf" 2>/dev/null)" = "$(why3_config)" ] || echo "config why3.conf"
    for name in $driver_files; do
      [ "$(cat "$dir/drivers/$name" 2>/dev/null)" = "$(alt_ergo_driver "$name")" ] || echo "config $name"
    done
  fi
}

check_versions() {
  local command argument want output
  while IFS='|' read -r command argument want; do
    output=$("$dir/bin/$command" "$argument" 2>&1 </dev/null) || true
    [[ $output == *"$want"* ]] ||
      echo "wrong $command $argument says '$(head -n 1 <<<"$output")', this project needs '$want'"
  done < <(versions "$1")
}

# ---- private tools -----------------------------------------------------------------------------------------

private_commands() {
  case $1 in
    prove) echo alt-ergo ;;
    bmc) echo cbmc goto-cc goto-instrument cadical ;;
  esac
}

# Prints the start script of a private command. Debian 13's programs get Debian 13's loader and libraries.
# shellcheck disable=SC2016  # the start script expands
private_command() {
  local lib=usr/lib/x86_64-linux-gnu
  echo "#!/bin/sh"
  echo "# Written by proofs/toolchain/setup.sh."
  if [ "$1" = alt-ergo ]; then
    # Alt-Ergo 2.0.0 proves false goals through its theory of associative and commutative functions, which WP's
    # land, lor and lxor use (proofs/negatives/must_fail_ac.c): it runs without that theory.
    printf 'exec "%s" -no-ac "$@"\n' "$dir/alt-ergo/usr/bin/alt-ergo"
  else
    printf 'root="%s"\n' "$dir/cbmc"
    printf 'exec "$root/%s/ld-linux-x86-64.so.2" --library-path "$root/%s:$root/usr/lib" \\\n' "$lib" "$lib"
    printf '  --argv0 %s "$root/usr/bin/%s" "$@"\n' "$1" "$1"
  fi
}

# Alt-Ergo 2.0.0 proves false goals because its IntervalCalculus.tighten_eq_bounds forgets what a contradiction rests on
# (proofs/negatives/must_fail_tighten.c; its pull request 562, released in 2.4.3, which Debian does not have). The first
# instruction of that function becomes a return, which leaves its first argument as the result: what is known stays as it was.
cut_alt_ergo() {
  printf '\303' | dd of="$1" bs=1 seek=$((0x413f30)) conv=notrunc status=none
  echo "$alt_ergo_sum  $1" | sha256sum --check --quiet >&2 || die 1 "$1 is not the program that this script knows to mend"
}

# Downloads and unpacks one private tool into $dir/TOOL, which appears complete or not at all.
install_private() {
  local tool=$1 release package version sum from file names=()
  local apt=("-oDir::State::Lists=$work/lists" "-oDir::State::status=$work/status" "-oDir::Cache=$work/cache"
    "-oDir::Etc::sourcelist=$work/sources.list" -oDir::Etc::sourceparts=/dev/null
    -oDir::Etc::preferences=/dev/null -oDir::Etc::preferencesparts=/dev/null
    -oAcquire::Languages=none -oAPT::Sandbox::User= -oAPT::Architecture=amd64 -oAPT::Architectures=amd64
    -oAPT::Update::Error-Mode=any -oAcquire::Retries=3)
  [ -r "$keyring" ] || die 1 "$keyring is missing: install the package debian-archive-keyring"
  rm -rf "${work:?}"/*
  mkdir -p "$work"/{lists,cache/archives,deb,root}
  mkdir "$work"/{lists,cache/archives}/partial
  : >"$work/status"
  from=${VERISPAN_MIRROR:-$(mirror_of bookworm)}
  [ -n "$from" ] || die 1 "apt's configuration names no source for Debian 12 (bookworm): set VERISPAN_MIRROR"
  release=$(private_lines "$tool" | awk 'NR == 1 { print $1 }')
  echo "deb [arch=amd64 signed-by=$keyring] $from $release main" >"$work/sources.list"
  while read -r _ package version sum; do
    if [ "$version" = - ]; then names+=("$package"); else names+=("$package=$version"); fi
  done < <(private_lines "$tool")
  say "$tool: downloading ${names[*]} from Debian's $release"
  apt-get -qq "${apt[@]}" update </dev/null >&2 ||
    die 1 "cannot read the package lists of $release from $from: no network, or no longer there" \
      "(VERISPAN_MIRROR may name another Debian mirror or archive)"
  (cd "$work/deb" && apt-get -qq "${apt[@]}" download "${names[@]}" </dev/null >&2) ||
    die 1 "cannot download ${names[*]} from $from"
  while read -r _ package version sum; do
    file=$(find "$work/deb" -name "${package}_*.deb")
    [ -f "$file" ] || die 1 "$package was not downloaded"
    [ "$sum" = - ] || echo "$sum  $file" | sha256sum --check --quiet >&2 ||
      die 1 "$package $version has not the check-sum that proofs/toolchain/private.txt names"
    dpkg-deb -x "$file" "$work/root"
  done < <(private_lines "$tool")
  [ "$tool" != alt-ergo ] || cut_alt_ergo "$work/root/usr/bin/alt-ergo"
  private_stamp "$tool" >"$work/root/complete"
  chmod 755 "$work/root"
  [ ! -e "$dir/$tool" ] || mv -T "$dir/$tool" "$work/old"
  mv -T "$work/root" "$dir/$tool"
}

# ---- generated files ---------------------------------------------------------------------------------------

# Prints a file of Why3's driver for Alt-Ergo 2.0.0, as Why3 has it but for division: with some divisors Alt-Ergo is wrong,
# so that it is told of / and % only what why3/division.mlw says (proofs/negatives/must_fail_remainder.c).
alt_ergo_driver() {
  local why3=/usr/share/why3/drivers name edit=''
  for name in Div_mod Mod_bound Div_unique Div_bound Mod_1 Div_1 Div_inf Div_inf_neg Mod_0 Div_1_left Div_minus1_left \
    Mod_1_left Mod_minus1_left Div_mult Mod_mult; do
    edit+="  remove prop $name\\n"
  done
  case $1 in
    alt_ergo.drv) cat "$why3/alt_ergo_2_2_0.drv" ;;
    alt_ergo_common.drv)
      sed -e 's/for_drivers\.ComputerOfEuclideanDivision/division.ByConstant/' \
        -e "/^theory int\.EuclideanDivision/,/^end/s/^end/${edit}end/" "$why3/$1"
      ;;
    *) cat "$why3/$1" ;;
  esac
}

# Why3 knows Z3 and CVC4 by name and version; its own data say how to call them.
why3_config() {
  cat <<EOF
# Written by proofs/toolchain/setup.sh.
[main]
datadir = "/usr/share/why3"
libdir = "/usr/lib/ocaml/why3"
magic = 14
memlimit = 4000
running_provers_max = 2
timelimit = 5
loadpath = "$here/why3"

[prover]
name = "Alt-Ergo"
version = "2.0.0"
shortcut = "alt-ergo"
command = "$dir/bin/alt-ergo -timelimit %t %f"
command_steps = "$dir/bin/alt-ergo -steps-bound %S %f"
driver = "$dir/drivers/alt_ergo.drv"

[partial_prover]
name = "Z3"
path = "/usr/bin/z3"
version = "4.8.12"

[partial_prover]
name = "CVC4"
path = "/usr/bin/cvc4"
version = "1.8"
EOF
}

# Writes standard input to a file at once.
write_file() {
  cat >"$work/file"
  chmod "$2" "$work/file"
  mv -T "$work/file" "$1"
}

make_generated() {
  local name target
  mkdir -p "$dir/bin"
  while read -r name target; do
    ln -sfn "$target" "$work/link"
    mv -T "$work/link" "$dir/bin/$name"
  done < <(links "$1")
  for name in $(private_commands "$1"); do private_command "$name" | write_file "$dir/bin/$name" 755; done
  if [ "$1" = prove ]; then
    mkdir -p "$dir/drivers"
    for name in $driver_files; do alt_ergo_driver "$name" | write_file "$dir/drivers/$name" 644; done
    why3_config | write_file "$dir/why3.conf" 644
  fi
}

# ---- apt ---------------------------------------------------------------------------------------------------

install_packages() {
  local root=() log=$work/apt.log patience=60
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null ||
      die 1 "must install $*: run this as root, or install sudo, or run 'apt-get install $*' yourself"
    root=(sudo)
  fi
  say "installing $*"
  # Another source of this machine may be broken without harm: only the installation has to succeed.
  # A new machine may be reading the lists itself, and apt does not wait for that lock.
  until "${root[@]}" apt-get -qq -oAcquire::Retries=3 update </dev/null >"$log" 2>&1 ||
    ! grep -q 'lists/lock' "$log" || [ $((patience -= 1)) = 0 ]; do
    sleep 5
  done
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -oDPkg::Lock::Timeout=600 -oAcquire::Retries=3 \
    -oDpkg::Use-Pty=0 --no-install-recommends install "$@" </dev/null >>"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    die 1 "apt-get could not install: $* (its last lines are above; network? package sources?)"
  }
}

# ---- main --------------------------------------------------------------------------------------------------

# All that is missing for the groups given.
missing() {
  local group
  for group in "$@"; do
    check_packages "$group"
    check_private "$group"
    check_generated "$group"
  done | awk '!seen[$0]++'
}

# Fails, with all reasons, unless the groups given are complete and have the right versions.
verify() {
  local list group
  list=$(missing "$@")
  if [ -z "$list" ]; then
    list=$(for group in "$@"; do check_versions "$group"; done)
  fi
  [ -n "$list" ] || return 0
  sed -e 's/^install /missing: Debian package /' -e 's/^private /missing: private tool /' \
    -e 's/^link /missing: link to /' -e 's/^wrapper /missing: start script of /' \
    -e 's/^config /missing: configuration /' -e 's/^wrong /wrong: /' <<<"$list" >&2
  return 1
}

check_system() {
  local id version arch
  id=$(. /etc/os-release 2>/dev/null && echo "${ID:-unknown}") || id=unknown
  version=$(. /etc/os-release 2>/dev/null && echo "${VERSION_ID:-unknown}") || version=unknown
  arch=$(dpkg --print-architecture 2>/dev/null || uname -m)
  if [ "$id $version $arch" != "debian 12 amd64" ]; then
    say "error: this is $id $version on $arch; the tools are pinned to Debian 12 on amd64."
    say "Neither installing nor checking them works here. The packages needed, by their names in Debian 12:"
    local group
    for group in "$@"; do
      say "  $group: $(package_lines "$group" | awk '{ print $1 }' | xargs)"
      local tool
      for tool in $(private_tools "$group"); do
        say "    and from other releases: $(private_lines "$tool" | awk '{ print $2 " " $3 " (" $1 ")" }' | paste -sd, )"
      done
    done
    exit 2
  fi
}

main() {
  local check='' chosen=() group names tool
  for group in "$@"; do
    case $group in
      --check) check=1 ;;
      --help) usage && exit 0 ;;
      -*) usage >&2 && die 2 "unknown option '$group'" ;;
      *)
        [[ " $groups " == *" $group "* ]] || { usage >&2 && die 2 "unknown group '$group'"; }
        chosen+=("$group")
        ;;
    esac
  done
  [ ${#chosen[@]} != 0 ] || { usage >&2 && die 2 "no group given"; }
  check_system "${chosen[@]}"

  if [ -n "$check" ]; then
    verify "${chosen[@]}" || exit 1
    exit 0
  fi
  if [ -z "$(missing "${chosen[@]}")" ]; then
    verify "${chosen[@]}" || exit 1
    exit 0
  fi

  if ! mkdir -p "$dir" 2>/dev/null || [ ! -w "$dir" ]; then die 1 "cannot write to $dir"; fi
  exec 9>"$dir/.lock"
  flock --nonblock 9 || { say "waiting for another setup.sh" && flock 9; }
  rm -rf "$dir"/.work.*
  work=$(mktemp -d "$dir/.work.XXXXXX")
  trap cleanup EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM

  names=$(for group in "${chosen[@]}"; do check_packages "$group"; done | sed -n 's/^install //p' | sort -u | xargs)
  # shellcheck disable=SC2086  # a list of names
  [ -z "$names" ] || install_packages $names
  for group in "${chosen[@]}"; do
    while read -r _ tool; do
      install_private "$tool"
    done < <(check_private "$group")
    make_generated "$group"
  done
  verify "${chosen[@]}" || die 1 "the tools are not as they should be (see above)"
  say "ready: ${chosen[*]}"
}

main "$@"
