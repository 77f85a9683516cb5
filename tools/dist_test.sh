#!/usr/bin/env bash
# Test with N processes: one a GPU over nccl, or on the CPU over gloo where there is no GPU.
#   bash tools/dist_test.sh CONFIG CHECKPOINT N [flags of tools/test.py]
# NNODES, NODE_RANK, MASTER_ADDR and PORT reach torchrun.
set -euo pipefail
if [ $# -lt 3 ]; then
  echo "usage: bash tools/dist_test.sh CONFIG CHECKPOINT N [flags of tools/test.py]" >&2
  exit 2
fi
config=$1 checkpoint=$2 processes=$3
shift 3
case "$processes" in
  ''|*[!0-9]*|0) echo "error: N is '$processes', a number of processes was expected" >&2; exit 2 ;;
esac
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# On one machine without a PORT a free one is found, so that runs don't get in each other's way.
where=(--standalone)
if [ -n "${PORT:-}${MASTER_ADDR:-}${NNODES:-}" ]; then
  where=(--nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}"
         --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}")
fi
python=$(command -v python || command -v python3)
exec "$python" -m torch.distributed.run "${where[@]}" --nproc_per_node="$processes" \
  "$here/test.py" "$config" "$checkpoint" --launcher pytorch "$@"
