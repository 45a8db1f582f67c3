# Sourced: which Debian packages Muster's host needs and this machine lacks. Wants $here, $repo and $MUSTER_HOME.
# shellcheck shell=bash disable=SC2154
missing=()

# A package counts as there when its command is: another vendor's Docker or Redis serves as well, and Debian's beside
# it would even conflict.
find_missing() {
  local need name
  missing=()
  for need in dockerd:docker.io redis-server:redis-server nft:nftables ip:iproute2 ssh:openssh-client \
    mmdebstrap:mmdebstrap rsync:rsync xz:xz-utils mkfs.ext4:e2fsprogs ps:procps curl:curl modprobe:kmod losetup:mount ${needs_of_tests:-}; do
    command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
  done
  [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing+=(debian-archive-keyring)
  [ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
  # Where the kernel has AppArmor, dockerd does not start without its parser.
  if grep -qs Y /sys/module/apparmor/parameters/enabled && ! command -v apparmor_parser >/dev/null; then missing+=(apparmor); fi
  for name in $("$repo/infra/frp/build.sh" --packages); do
    dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
  done
}

nothing_missing() { find_missing && [ ${#missing[@]} = 0 ]; }

# In a session of its own: a dpkg that Ctrl-C stops half-way leaves a machine to be repaired by hand.
install_missing() { setsid --wait "$here/install-packages.sh" "${missing[@]}" && nothing_missing; }

prepare_packages() { step packages "Debian packages" nothing_missing install_missing; }

# Postgres, Redis and the user namespace get Unix users when they first start; who is not here before us is ours to remove.
note_users() {
  local user
  [ ! -e "$MUSTER_HOME/undo/users" ] || return 0
  mkdir -p "$MUSTER_HOME/undo"
  for user in muster-postgres muster-redis dockremap; do getent passwd "$user" >/dev/null || echo "$user"; done > "$MUSTER_HOME/undo/users"
}
