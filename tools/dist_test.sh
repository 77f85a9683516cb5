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
source "$here/maskclip_utils/dist_launch.sh"
require_count "$processes" "bash tools/dist_test.sh $config $checkpoint N [flags]"
launch "$processes" "$here/test.py" "$config" "$checkpoint" "$@"
