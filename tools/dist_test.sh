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
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
exec python -m torch.distributed.run \
  --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --nproc_per_node="$processes" \
  --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
  "$here/test.py" "$config" "$checkpoint" --launcher pytorch "$@"
