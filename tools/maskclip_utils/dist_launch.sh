# Sourced by tools/dist_*.sh: start a tool with N processes through torchrun.

# Leave if N is no number, with a hint at the right form.
#   require_count N HINT
require_count() {
  case "$1" in
    ''|*[!0-9]*|0*)
      echo "error: N is '$1', expected a number of processes: $2" >&2
      exit 2 ;;
  esac
}

#   launch N SCRIPT [arguments]
launch() {
  local processes=$1 python where launcher
  shift
  # On one machine without a PORT a free one is found, so that runs don't get in each other's way.
  where=(--standalone)
  if [ -n "${PORT:-}${MASTER_ADDR:-}${NNODES:-}${NODE_RANK:-}" ]; then
    where=(--nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}"
           --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}")
  fi
  python=$(command -v python || command -v python3) || {
    echo "error: no python on the PATH: source .venv/bin/activate" >&2; exit 2; }
  launcher=$(dirname "${BASH_SOURCE[0]}")/launch.py
  exec "$python" "$launcher" "${where[@]}" --nproc_per_node="$processes" "$@" \
    --launcher pytorch
}
