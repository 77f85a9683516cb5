#!/usr/bin/env bash
# From an empty machine to dense labels and a segmentor trained on them: installs into .venv if
# there is none, draws the embedded world, labels it with MaskCLIP and the tiny CLIP that ships
# with the package, and trains a student on these labels alone.
#   bash tools/quickstart.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash env_install.sh
export PATH="$PWD/.venv/bin:$PATH"

out=work_dirs/quickstart
teacher=configs/tiny/maskclip_tinyrn_256x256_tinyworld.py
weights=mmseg_maskclip/tinyworld/weights/tiny_rn.pth
student=configs/tiny/maskclip_plus_tinyrn_deeplabv2_tiny_256x256_400_tinyworld.py

echo; echo "1. Drawing the embedded world: scenes with exact masks"
python tools/dataset_converters/tinyworld.py data/tinyworld

echo; echo "2. MaskCLIP: a CLIP that never saw a mask labels every pixel"
python tools/test.py "$teacher" "$weights" --eval mIoU --show-dir "$out/maskclip/pictures" \
  --work-dir "$out/maskclip"

echo; echo "3. MaskCLIP+: a DeepLabv2 learns from these labels, two to three minutes on two cores"
python tools/train.py "$student" --work-dir "$out/training" --seed 0 --auto-resume --no-validate

echo; echo "4. The student, without its teacher, on scenes neither of them saw"
python tools/test.py "$student" "$out/training/latest.pth" --eval mIoU \
  --show-dir "$out/maskclip_plus/pictures" --work-dir "$out/maskclip_plus"

echo
python tools/compare.py --model MaskCLIP "$teacher" "$weights" \
  --model MaskCLIP+ "$student" "$out/training/latest.pth" \
  --records "$out/maskclip" "$out/maskclip_plus" --out "$out/comparison.png"

echo
echo "Pictures: $PWD/$out/comparison.png (image, MaskCLIP, MaskCLIP+, truth)"
echo "          $PWD/$out/maskclip/pictures and $PWD/$out/maskclip_plus/pictures (every scene)"
echo "Metrics:  $PWD/$out/maskclip and $PWD/$out/maskclip_plus (eval_single_scale_*.json)"
echo "Next: your own pictures and class names, see README.md"
