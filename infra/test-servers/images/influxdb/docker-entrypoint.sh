#!/bin/bash
# What the official image does in setup mode, as far as docker-compose.yml uses it.
set -euo pipefail
"$@" --bolt-path /var/lib/influxdb2/influxd.bolt --engine-path /var/lib/influxdb2/engine --sqlite-path /var/lib/influxdb2/influxd.sqlite --reporting-disabled &
server=$!
trap 'kill $server' TERM
until influx ping; do kill -0 $server; sleep 0.2; done
curl -sf http://127.0.0.1:8086/api/v2/setup -d "{\"username\":\"$DOCKER_INFLUXDB_INIT_USERNAME\",\"password\":\"$DOCKER_INFLUXDB_INIT_PASSWORD\",\"org\":\"$DOCKER_INFLUXDB_INIT_ORG\",\"bucket\":\"$DOCKER_INFLUXDB_INIT_BUCKET\",\"token\":\"$DOCKER_INFLUXDB_INIT_ADMIN_TOKEN\"}" > /dev/null || true
wait $server
