#!/bin/bash
# Takes back everything that Muster did to this machine, from the record under $MUSTER_HOME/undo:
#   packages  one per line, with the dependencies that came along      users    one per line
#   sysctls   key=value as it was before                               files    absolute paths
set -euo pipefail

export MUSTER_HOME=${MUSTER_HOME:-/var/lib/muster}
home=$(realpath -m "$MUSTER_HOME")
undo=$home/undo

usage() {
  echo "usage: ./muster uninstall [--yes]"
  echo "Removes $home and what is listed in $undo: packages, Unix users, changed sysctls. Refuses while Muster runs."
}

fail() { printf '%s\n' "$@" >&2; exit 4; }

lines() { cat "$undo/$1" 2>/dev/null || true; }

# A folder is only deleted when it carries our record; MUSTER_HOME may have been mistyped.
check_is_ours() {
  [ -d "$home" ] || { echo "Nothing to do: there is no $home."; exit 0; }
  [ -d "$undo" ] || fail "$home does not look like a folder of Muster's (it has no undo/). Nothing was touched."
  case $home in / | /bin | /boot | /dev | /etc | /home | /lib* | /opt | /proc | /root | /run | /sbin | /srv | /sys | /tmp | /usr | /var | /var/lib)
    fail "$home is a folder of the system. Nothing was touched." ;; esac
}

# This script and whoever called it, who may well name MUSTER_HOME themselves.
ancestors() {
  local pid=$$
  while [ "$pid" -gt 0 ]; do
    echo "$pid"
    pid=$(sed -n 's/^PPid:\t//p' "/proc/$pid/status")
  done
}

# Whatever part of Muster runs has a file of its own below MUSTER_HOME on its command line or open as its program.
live_processes() {
  local entry pid mine
  mine=$(ancestors)
  for entry in /proc/[0-9]*; do
    pid=${entry#/proc/}
    if grep -qx "$pid" <<<"$mine"; then continue; fi
    if tr '\0' ' ' 2>/dev/null <"$entry/cmdline" | grep -qF -- "$home/" || [[ $(readlink "$entry/exe" 2>/dev/null) == "$home/"* ]]; then
      echo "$pid ($(cat "$entry/comm" 2>/dev/null))"
    fi
  done
}

check_is_down() {
  local live
  live=$(live_processes | awk 'NR <= 8' | paste -sd' ')
  [ -z "$live" ] || fail "Muster still runs: $live" "Stop it first with: ./muster down"
}

say_plan() {
  echo "This will"
  echo "  delete $home and everything in it: database, keys, balances, images, rentals' disks"
  [ -z "$(lines packages)" ] || echo "  remove the packages that Muster installed: $(lines packages | paste -sd' ')"
  [ -z "$(lines users)" ] || echo "  remove the Unix users that Muster brought: $(lines users | paste -sd' ')"
  [ -z "$(lines sysctls)" ] || echo "  set back: $(lines sysctls | paste -sd' ')"
  [ -z "$(lines files)" ] || echo "  delete: $(lines files | paste -sd' ')"
}

ask() {
  local answer
  [ -t 0 ] || fail "Nobody to ask here. Run it with --yes to agree."
  read -r -p "Go on? [y/N] " answer
  [ "$answer" = y ] || [ "$answer" = Y ] || fail "Nothing was touched."
}

# The first value noted for a key is the one from before Muster.
restore_sysctls() {
  lines sysctls | awk -F= '!seen[$1]++' | while IFS='=' read -r key value; do
    sysctl -q -w "$key=$value" || echo "could not set $key back to $value" >&2
  done
}

unmount_all() {
  local target device
  findmnt -rno TARGET | { grep -F -- "$home/" || true; } | sort -r | while read -r target; do
    umount "$(printf '%b' "$target")" || umount -l "$(printf '%b' "$target")"
  done
  losetup -nlO NAME,BACK-FILE 2>/dev/null | { grep -F -- " $home/" || true; } | while read -r device _; do losetup -d "$device"; done
}

is_installed() { dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^ii'; }

# A record names what was new then; a package that something else came to need since is left alone by apt's own word.
remove_packages() {
  local present
  present=$(lines packages | while read -r name; do ! is_installed "$name" || echo "$name"; done)
  [ -n "$present" ] || return 0
  local wanted_by
  # shellcheck disable=SC2086 # one word per package
  wanted_by=$(apt-get purge -s -q $present 2>/dev/null | sed -n 's/^Purg \([^ ]*\) .*/\1/p' |
    grep -vxFf <(echo "$present" | sed 's/:.*//') || true)
  if [ -n "$wanted_by" ]; then
    echo "left installed, because $(echo "$wanted_by" | paste -sd' ') needs them: $(echo "$present" | paste -sd' ')" >&2
    return 0
  fi
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get purge -q -y -o DPkg::Lock::Timeout=300 $present >/dev/null
}

remove_users() {
  lines users | while read -r user; do
    getent passwd "$user" >/dev/null || continue
    if pgrep -u "$user" >/dev/null; then
      echo "left the user $user: something else uses it" >&2
      continue
    fi
    userdel "$user" 2>/dev/null || echo "could not remove the user $user" >&2
    ! getent group "$user" >/dev/null || groupdel "$user" || true
    sed -i "/^$user:/d" /etc/subuid /etc/subgid 2>/dev/null || true
  done
}

remove_files() {
  lines files | while read -r path; do
    [[ $path == /*/* && $path != *..* ]] || { echo "left $path: not a path that Muster would make" >&2; continue; }
    rm -rf --one-file-system "$path"
  done
}

yes=
for argument in "$@"; do
  case $argument in
    --yes | -y) yes=1 ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

check_is_ours
check_is_down
say_plan
[ -n "$yes" ] || ask
restore_sysctls
unmount_all
remove_users # before the packages: pgrep is one of them on a bare machine
remove_packages
remove_files
rm -rf --one-file-system "$home"
echo "Muster is gone from this machine. What is left is this clone: delete its folder when you like."
