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
source "$here/maskclip_utils/dist_launch.sh"
# Earlier projects took CONFIG WORK_DIR.
require_count "$processes" "bash tools/dist_train.sh $config N --work-dir $processes"
launch "$processes" "$here/train.py" "$config" "$@"
