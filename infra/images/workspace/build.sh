#!/bin/bash
# Builds the image `workspace` from Debian packages and PyPI alone: no image registry is asked. Needs root and mmdebstrap.
#
#   build.sh           makes sure $MUSTER_HOME/cache/images/workspace-<hash>.tar and .json exist; prints the path of the .json
#   build.sh OUT.tar   builds there (and OUT.json beside it), whatever is cached
#   build.sh --hash    the hash of this recipe, the image's label muster.image.hash
#   build.sh --path    where the .json of this recipe is or will be
#
# The .json says how to import it: `docker import` with one --change per entry of import_changes.
set -euo pipefail

readonly SUITE=bookworm
readonly PACKAGES=ca-certificates,curl,git,iproute2,less,nano,openssh-client,openssh-server,procps,python3,python3-pip,python3-venv,rsync,tini,tmux,xz-utils
here=$(dirname "$(readlink -f "$0")")
cache=${MUSTER_HOME:-/var/lib/muster}/cache/images

recipe_hash() { (cd "$here" && cat build.sh motd requirements.txt sshd_config start-workspace | sha256sum | cut -c1-12); }

# Only Debian's own archives among the machine's sources, in either format of apt; a mirror is known by what its
# Release file says, or before the first `apt-get update` by the end of its address.
debian_uri() { # SUITE DEFAULT
  local found
  # shellcheck disable=SC2016 # the $(…) are apt's own fields
  found=$(apt-get indextargets --format '$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)' 'Created-By: Packages' |
    awk -F'|' -v suite="$1" '$2 == suite && $3 == "main" && ($4 == "Debian" || $1 ~ /\/debian(-security)?\/?$/) { print $1; exit }')
  echo "${found:-$2}"
}

write_sources() {
  local main security
  main=$(debian_uri "$SUITE" http://deb.debian.org/debian)
  security=$(debian_uri "$SUITE-security" http://deb.debian.org/debian-security)
  printf 'deb %s %s main\n' "$main" "$SUITE" "$main" "$SUITE-updates" "$security" "$SUITE-security"
}

# A machine that trusts expired lists has a frozen mirror; the image uses the same one, so it needs the same word.
apt_settings() {
  local validity
  printf '%s\n' 'Acquire::Languages "none";' 'Acquire::GzipIndexes "true";'
  validity=$(apt-config dump --format '%v%n' Acquire::Check-Valid-Until)
  case $validity in false | no | 0) printf '%s\n' 'Acquire::Check-Valid-Until "false";' 'Acquire::Check-Date "false";' ;; esac
}

# JupyterLab goes into a virtual environment of its own, so that the renter's python3 stays as Debian made it.
# env -i, then only what reaching the package index takes: the build machine's settings end with this command.
install_jupyter() { # ROOT
  local root=$1 ca name pass=()
  ca=${PIP_CERT:-${SSL_CERT_FILE:-${REQUESTS_CA_BUNDLE:-/etc/ssl/certs/ca-certificates.crt}}}
  for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST; do
    [ -z "${!name:-}" ] || pass+=("$name=${!name}")
  done
  install -D -m 644 "$ca" "$root/build/ca.crt"
  install -m 644 "$here/requirements.txt" "$root/build/"
  if [ -r /etc/pip.conf ]; then install -m 644 /etc/pip.conf "$root/build/"; fi
  # shellcheck disable=SC2016 # expanded inside the image
  chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/build LANG=C.UTF-8 \
    PIP_CONFIG_FILE=/build/pip.conf PIP_CERT=/build/ca.crt "${pass[@]}" bash -euc '
      python3 -m venv --without-pip /opt/jupyter
      PYTHONPATH=$(echo /usr/share/python-wheels/pip-*.whl) /opt/jupyter/bin/python -m pip install -q --no-cache-dir \
        --root-user-action=ignore --only-binary=:all: -r /build/requirements.txt'
  rm -rf "$root/build"
  find "$root/opt/jupyter" -name '*.js.map' -delete
}

# Runs inside mmdebstrap, on the unpacked tree.
customize() { # ROOT
  local root=$1
  install_jupyter "$root"
  install -m 644 "$here/sshd_config" "$root/etc/ssh/sshd_config"
  install -m 755 "$here/start-workspace" "$root/usr/local/bin/"
  install -m 644 "$here/motd" "$root/etc/motd"
  install -d -m 755 "$root/workspace" "$root/etc/ssh/authorized_keys"
  rm -f "$root"/etc/ssh/ssh_host_* "$root"/etc/apt/sources.list.d/* "$root/etc/apt/apt.conf.d/99mmdebstrap"
  write_sources > "$root/etc/apt/sources.list"
  apt_settings > "$root/etc/apt/apt.conf.d/90workspace"
  # The whole container belongs to one renter, so pip may install beside Debian's packages.
  printf '[global]\nbreak-system-packages = true\nroot-user-action = ignore\n' > "$root/etc/pip.conf"
  # '*' means no password, unlike '!' which sshd without PAM takes for a locked account.
  chroot "$root" usermod -p '*' root
  # The home is on the rental's own disk, so caches and editors' servers do not eat the root file system.
  # Not by usermod: it refuses while this very build runs as root.
  sed -i 's|^\(root:.*\):/root:|\1:/workspace:|' "$root/etc/passwd"
  # The engine writes these for each container; what the build machine had in them is nobody's business.
  : > "$root/etc/resolv.conf"
  echo workspace > "$root/etc/hostname"
  : > "$root/etc/machine-id"
  find "$root/var/log" -type f -exec truncate -s 0 {} +
  rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/tmp/* "$root"/root/.cache
}

write_description() { # OUT.json
  local hash
  hash=$(recipe_hash)
  cat > "$1" <<JSON
{
  "name": "workspace",
  "hash": "$hash",
  "ports": [22, 8888],
  "ssh": true,
  "import_changes": [
    "ENTRYPOINT [\"/usr/bin/tini\", \"-g\", \"--\", \"/usr/local/bin/start-workspace\"]",
    "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "ENV LANG=C.UTF-8",
    "ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility",
    "WORKDIR /workspace",
    "EXPOSE 22 8888",
    "LABEL muster.image.name=workspace",
    "LABEL muster.image.hash=$hash"
  ]
}
JSON
}

# Unpacking in memory spares most of the I/O, where there is room for the tree and the tar's buffers.
choose_workdir() {
  local free_kib
  free_kib=$(df --output=avail /dev/shm 2>/dev/null | tail -n1)
  if [ "${free_kib:-0}" -gt $((3 * 1024 * 1024)) ]; then echo /dev/shm; else dirname "$1"; fi
}

# What a killed build left, known by the process in its name.
sweep() { # FOLDER
  local left pid
  for left in "$1"/muster-image.*; do
    pid=${left#*/muster-image.}
    [ -d "/proc/${pid%%.*}" ] || rm -rf --one-file-system "$left"
  done
}

build() { # OUT.tar
  local out base work isolate=(unshare --mount)
  out=$(realpath -m "$1")
  mkdir -p "$(dirname "$out")"
  base=$(choose_workdir "$out")
  sweep "$base"
  work=$(mktemp -d "$base/muster-image.$$.XXXXXX")
  # shellcheck disable=SC2064 # the names of now
  trap "rm -rf --one-file-system '$work' '${out%.tar}.new.tar' '${out%.tar}.new.json'" EXIT
  write_sources > "$work/sources.list"
  apt_settings > "$work/apt.conf"
  # In a mount namespace of its own: what mmdebstrap mounts goes with it, even when it is killed. (In a bare chroot
  # there can be none.)
  unshare --mount true 2>/dev/null || isolate=()
  # shellcheck disable=SC2016 # "$1" is the hook's own argument
  TMPDIR=$work HERE=$here "${isolate[@]}" mmdebstrap --mode=root --variant=apt --format=tar --quiet \
    --aptopt="$work/apt.conf" --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/lintian/*' --dpkgopt=force-unsafe-io \
    --include="$PACKAGES" --customize-hook='"$HERE/build.sh" --customize "$1"' \
    "$SUITE" "${out%.tar}.new.tar" "$work/sources.list"
  write_description "${out%.tar}.new.json"
  # The description goes last: whoever finds it finds the whole image.
  mv "${out%.tar}.new.tar" "$out"
  mv "${out%.tar}.new.json" "${out%.tar}.json"
}

ensure_cached() {
  local base
  base=$cache/workspace-$(recipe_hash)
  if ! [ -f "$base.json" ] || ! [ -f "$base.tar" ]; then build "$base.tar" >&2; fi
  find "$cache" -maxdepth 1 -name 'workspace-*' ! -path "$base.*" -delete
  echo "$base.json"
}

case ${1:-} in
  '') ensure_cached ;;
  --hash) recipe_hash ;;
  --path) echo "$cache/workspace-$(recipe_hash).json" ;;
  --customize) customize "$2" ;;
  -*) echo "usage: build.sh [OUT.tar | --hash | --path]" >&2; exit 1 ;;
  *) build "$1" ;;
esac
