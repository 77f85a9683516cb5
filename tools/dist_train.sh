#!/usr/bin/env bash
# Train with N processes: one a GPU over nccl, or on the CPU over gloo where there is no GPU.
#   bash tools/dist_train.sh CONFIG N [flags of tools/train.py]
# NNODES, NODE_RANK, MASTER_ADDR and PORT reach torchrun.
set -euo pipefail
if [ $# -lt 2 ]; then
  echo "usage: bash tools/dist_train.sh CONFIG N [flags of tools/train.py]" >&2
  exit 2
fi
config=$1 processes=$2
shift 2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
exec python -m torch.distributed.run \
  --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --nproc_per_node="$processes" \
  --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
  "$here/train.py" "$config" --launcher pytorch "$@"
