#!/bin/bash
# Makes stand-ins for the public images that docker-compose.yml and infra/docker/Dockerfile name, in the engine of DOCKER_HOST:
# no registry is asked. The servers in them are real; the tree below is that of the image `workspace`.
#
#   make.sh WORK_DIR      wants WORKSPACE_TAR, FRPS_PATH, FRPC_PATH, POSTGRES_HOME and INFLUXD_PATH
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
work=${1:?usage: make.sh WORK_DIR}
export DOCKER_BUILDKIT=0

# What the machine trusts, the build inside trusts too.
certificates=${NODE_EXTRA_CA_CERTS:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}

# Hard links where they can be had: the engine only reads.
put() { cp -rlL "$1" "$2" 2>/dev/null || { rm -rf "$2" && cp -rL "$1" "$2"; }; }

image() { # FOLDER TAG
  docker build --quiet --network host --tag "$2" "$work/$1" > /dev/null
}

cp -r "$here"/*/ "$work"
put "$(command -v node)" "$work/node/node"
put "$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")" "$work/node/npm"
cp "$certificates" "$work/node/ca-certificates.crt"
put "$FRPS_PATH" "$work/golang/frps"
put "$FRPC_PATH" "$work/golang/frpc"
put "$POSTGRES_HOME" "$work/postgres/server"
put "$INFLUXD_PATH" "$work/influxdb/influxd"

docker import "$WORKSPACE_TAR" muster-test/debian > /dev/null
image node node:24-bookworm-slim
image golang golang:1.26-bookworm
image postgres postgres:16
image redis redis:7-alpine
image influxdb influxdb:2.7
