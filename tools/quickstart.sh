#!/usr/bin/env bash
# From an empty machine to dense labels: installs into .venv if there is none, draws the embedded
# world, and runs MaskCLIP on it with the tiny CLIP that ships with the package.
#   bash tools/quickstart.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash env_install.sh
export PATH="$PWD/.venv/bin:$PATH"

out=work_dirs/quickstart
weights=mmseg_maskclip/tinyworld/weights/tiny_rn.pth

echo; echo "1. Drawing the embedded world: scenes with exact masks"
python tools/dataset_converters/tinyworld.py data/tinyworld

echo; echo "2. MaskCLIP: a CLIP that never saw a mask labels every pixel"
python tools/test.py configs/tiny/maskclip_tinyrn_256x256_tinyworld.py "$weights" \
  --eval mIoU --show-dir "$out/maskclip" --work-dir "$out"
python tools/compare.py --model MaskCLIP configs/tiny/maskclip_tinyrn_256x256_tinyworld.py \
  "$weights" --out "$out/comparison.png" > /dev/null

echo
echo "Pictures: $PWD/$out/comparison.png (image, MaskCLIP, truth)"
echo "          $PWD/$out/maskclip (every scene)"
echo "Figures:  $(ls -t "$PWD/$out"/eval_single_scale_*.json | head -n 1)"
echo "Next: your own pictures and class names, see README.md"
