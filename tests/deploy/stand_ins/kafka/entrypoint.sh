#!/bin/bash
# As apache/kafka does: KAFKA_NODE_ID becomes node.id, and so on; a new data folder is formatted for CLUSTER_ID.
set -euo pipefail
properties=/tmp/server.properties
: >"$properties"
for name in "${!KAFKA_@}"; do
  [[ $name != KAFKA_HEAP_OPTS ]] || continue
  key=${name#KAFKA_}
  key=${key//_/.}
  printf '%s=%s\n' "${key,,}" "${!name}" >>"$properties"
done
read -ra heap <<<"${KAFKA_HEAP_OPTS-}"
java=(java "${heap[@]}" -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp '/opt/kafka/libs/*')
if [[ ! -e $KAFKA_LOG_DIRS/meta.properties ]]; then
  "${java[@]}" kafka.tools.StorageTool format -t "${CLUSTER_ID:?}" -c "$properties"
fi
exec "${java[@]}" kafka.Kafka "$properties"
