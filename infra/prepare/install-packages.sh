#!/bin/bash
# install-packages.sh NAME…  Installs Debian packages, starts none of their services, and adds everything that came
# with them to $MUSTER_HOME/undo/packages, which is what `muster uninstall` may take away again.
set -euo pipefail

readonly POLICY=/usr/sbin/policy-rc.d
record=$MUSTER_HOME/undo/packages
export DEBIAN_FRONTEND=noninteractive

# Muster starts its own Docker and Redis; those of the packages must neither start now nor at the next boot.
hold_services() {
  if [ -e "$POLICY" ] && ! grep -q 'by muster' "$POLICY"; then return; fi
  printf '#!/bin/sh\n# Put here by muster while it installs packages.\nexit 101\n' > "$POLICY"
  chmod 755 "$POLICY"
}

# shellcheck disable=SC2317 # called by the trap
release_services() { if grep -qs 'by muster' "$POLICY"; then rm -f "$POLICY"; fi; }

quiet_new_services() {
  local unit
  command -v systemctl >/dev/null || return 0
  for unit in docker.io:docker.service docker.io:docker.socket containerd:containerd.service \
    redis-server:redis-server.service nftables:nftables.service; do
    grep -qE "^${unit%%:*}(:.*)?$" "$record" || continue
    systemctl disable --now --quiet "${unit##*:}" 2>/dev/null || true
  done
}

installed() { dpkg-query -W -f '${db:Status-Abbrev} ${binary:Package}\n' | sed -n 's/^ii *//p' | sort; }

mkdir -p "$(dirname "$record")"
touch "$record"
before=$(installed)
trap release_services EXIT
hold_services
# An unreachable third-party source makes the update fail; Debian's packages may install all the same.
apt-get update -q || true
status=0
apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" || status=$?
comm -13 <(echo "$before") <(installed) | sort -u -o "$record" - "$record"
quiet_new_services
exit "$status"
