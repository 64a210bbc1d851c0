#!/bin/bash
# Runs a command in a fresh clone of the repository on a fresh, minimal Debian 12: the proof that nothing on this
# machine was installed by hand. README.md beside it explains.
# SPDX-License-Identifier: Apache-2.0

set -euo pipefail

here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
repository=$(realpath "$here/../..")
# shellcheck source=mirror.sh
. "$here/mirror.sh"
readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg
child=
readonly marker=.verispan-fresh # only a folder with this file in it is ever removed

usage() {
  cat <<EOF
usage: proofs/toolchain/fresh.sh [--dir DIR] [--keep] [--user] [COMMAND [ARGUMENT...]]
Makes a minimal Debian 12 in DIR (default build/fresh), clones the last commit into it and runs COMMAND (default
bash .ci/run) there. --keep leaves the folder for inspection; --user runs as a user with sudo instead of root.
Needs root. The exit status is the command's.
EOF
}

say() { echo "fresh: $(date -u +%H:%M:%S) $*" >&2; }

die() {
  echo "fresh: error: $*" >&2
  exit 2
}

# The part that runs in its own mount and process namespace: its mounts and daemons end with it, whatever happens.
inside() {
  local root=$1 account=$2
  shift 2
  mount -t proc proc "$root/proc"
  mount -t tmpfs -o mode=755 dev "$root/dev"
  mkdir "$root"/dev/{pts,shm}
  mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$root/dev/pts"
  mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
  mount --bind /sys "$root/sys"
  mount -o remount,bind,ro "$root/sys"
  mknod -m 666 "$root/dev/null" c 1 3
  mknod -m 666 "$root/dev/zero" c 1 5
  mknod -m 666 "$root/dev/full" c 1 7
  mknod -m 666 "$root/dev/random" c 1 8
  mknod -m 666 "$root/dev/urandom" c 1 9
  mknod -m 666 "$root/dev/tty" c 5 0
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
  ln -s /proc/self/fd/0 "$root/dev/stdin"
  ln -s /proc/self/fd/1 "$root/dev/stdout"
  ln -s /proc/self/fd/2 "$root/dev/stderr"
  local proxies=() name
  for name in http_proxy https_proxy no_proxy; do
    [ -z "${!name:-}" ] || proxies+=("$name=${!name}")
  done
  local home=/root
  [ "$account" = root ] || home=/home/$account
  # shellcheck disable=SC2016  # the inner shell expands
  exec env -i "${proxies[@]}" CI=true HOME="$home" USER="$account" LANG=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    chroot "$root" setpriv --reuid "$account" --regid "$account" --init-groups \
    sh -c 'cd "$HOME/verispan" && exec "$@"' sh "$@" </dev/null
}

# Makes the system in $1 as a user would find it: base system, the host's package sources, git and make.
make_system() {
  local root=$1 suite from
  from=$(mirror_of bookworm)
  [ -n "$from" ] || die "apt's configuration names no source for Debian 12 (bookworm)"
  debootstrap --variant=minbase --include=ca-certificates,git,make --keyring="$keyring" bookworm "$root" "$from" \
    </dev/null >"$root.log" 2>&1 || { tail -n 20 "$root.log" >&2 && die "debootstrap failed (its last lines are above)"; }
  for suite in bookworm bookworm-updates bookworm-security; do
    from=$(mirror_of "$suite")
    [ -z "$from" ] || echo "deb $from $suite main"
  done >"$root/etc/apt/sources.list"
  apt-config dump --format '%F "%v";%n' Acquire::http::Proxy Acquire::https::Proxy >"$root/etc/apt/apt.conf.d/99proxy"
  cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
}

add_account() {
  local root=$1
  chroot "$root" sh -ec 'apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install sudo
    useradd --create-home --shell /bin/bash tester
    echo "tester ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/tester' </dev/null >>"$root.log" 2>&1 ||
    { tail -n 20 "$root.log" >&2 && die "cannot add a user (the last lines are above)"; }
}

remove_system() {
  [ ! -e "$1" ] || { [ -e "$1/$marker" ] && rm -rf --one-file-system "${1:?}" "$1.log"; } ||
    die "$1 is there already and was not made by this script"
}

# Ends what still runs inside, if this script was interrupted, and removes the system unless it shall stay.
finish() {
  if [ -n "$child" ] && kill -TERM "$child" 2>/dev/null; then wait "$child" || true; fi
  [ -n "$2" ] || remove_system "$1"
}

main() {
  local dir=${BUILD:-build}/fresh keep='' account=root status=0 started=$SECONDS home
  cd "$repository"
  while [ $# != 0 ]; do
    case $1 in
      --dir)
        [ $# -ge 2 ] || { usage >&2 && die "--dir needs a folder"; }
        dir=$2
        shift
        ;;
      --keep) keep=1 ;;
      --user) account=tester ;;
      --help) usage && exit 0 ;;
      -*) usage >&2 && die "unknown option '$1'" ;;
      *) break ;;
    esac
    shift
  done
  [ $# != 0 ] || set -- bash .ci/run
  [ "$(id -u)" = 0 ] || die "needs root, for chroot and mount"
  "$here/setup.sh" fresh
  dir=$(realpath -m "$dir")
  remove_system "$dir"
  mkdir -p "$dir" 2>/dev/null || die "cannot write to $dir"
  : >"$dir/$marker"
  trap 'finish "$dir" "$keep"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM

  say "making Debian 12 in $dir"
  make_system "$dir"
  home=/root
  if [ "$account" != root ]; then
    add_account "$dir"
    home=/home/$account
  fi
  git clone -q --no-local "$repository" "$dir$home/verispan"
  chroot "$dir" chown -R "$account:$account" "$home/verispan"
  [ -z "$(git status --porcelain)" ] || say "note: uncommitted changes of this checkout are not in the clone"
  say "running as $account at commit $(git rev-parse --short HEAD), after $((SECONDS - started)) s: $*"
  started=$SECONDS
  unshare --mount --propagation private --pid --fork --kill-child "$BASH" "$here/fresh.sh" \
    --inside "$dir" "$account" "$@" &
  child=$!
  wait "$child" || status=$?
  child=
  say "exit status $status after $((SECONDS - started)) s"
  exit "$status"
}

if [ "${1:-}" = --inside ]; then
  shift
  inside "$@"
else
  main "$@"
fi
