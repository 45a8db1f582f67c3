#!/bin/bash
# Prints a .env for docker-compose.yml with fresh secrets:  infra/docker/make-env.sh > .env
set -euo pipefail
umask 077
random() { od -An -vtx1 -N32 /dev/urandom | tr -d ' \n'; }
cat <<EOF
# Seals secrets in the database. Losing it makes them unreadable.
MUSTER_MASTER_KEY=$(random)
# Shared by backend and tunnel gate.
MUSTER_GATE_SECRET=$(random)
POSTGRES_PASSWORD=$(random)
REDIS_PASSWORD=$(random)
INFLUX_TOKEN=$(random)
EOF
