#!/usr/bin/env bash
# Label pictures with N processes: one a GPU over nccl, or on the CPU over gloo where there is no GPU.
#   bash tools/dist_predict.sh N PICTURE ... [flags of tools/predict.py]
# NNODES, NODE_RANK, MASTER_ADDR and PORT reach torchrun.
set -euo pipefail
if [ $# -lt 2 ]; then
  echo "usage: bash tools/dist_predict.sh N PICTURE ... [flags of tools/predict.py]" >&2
  exit 2
fi
processes=$1
shift
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/maskclip_utils/dist_launch.sh"
require_count "$processes" "bash tools/dist_predict.sh N PICTURE ... [flags]"
launch "$processes" "$here/predict.py" "$@"
