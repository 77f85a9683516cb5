"""Time and memory of MaskCLIP, as ratios in one run against something users know.

    python tools/benchmark.py                 all of it
    python tools/benchmark.py labels          image -> label map against open_clip's visual forward
    python tools/benchmark.py text            text bank in batches against one class at a time
    python tools/benchmark.py memory          peak memory of a large vocabulary
    python tools/benchmark.py train           MaskCLIP+ step against a supervised step and a teacher
    python tools/benchmark.py class_weight    what the class weight adds to an image and to a step
    python tools/benchmark.py heads           training-free read-outs against a plain forward; PAMR

Weights are random: nothing needs to be downloaded.
"""

import argparse
from pathlib import Path

PARTS = ('labels', 'text', 'memory', 'train', 'class_weight', 'heads')
TRAIN_CONFIG = ('configs/maskclip_plus/anno_free/'
                'maskclip_plus_vit16_deeplabv2_r101-d8_480x480_4k_pascal_context_59.py')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('parts', nargs='*', metavar='PART', help=f'some of: {", ".join(PARTS)}')
    parser.add_argument('--models', nargs='+', default=['ViT-B/16', 'RN50'])
    parser.add_argument('--dtypes', nargs='+', choices=['fp32', 'bf16'], default=None,
                        help='default: fp32, on a GPU also bf16')
    parser.add_argument('--repeats', type=int, default=5, help='timed runs, the median counts')
    parser.add_argument('--text-classes', type=int, default=None,
                        help='classes of the text bank (default: 171 on a GPU, 8 on a CPU)')
    parser.add_argument('--train-config', default=TRAIN_CONFIG, metavar='CONFIG',
                        help='MaskCLIP+ config of the training step (default: %(default)s)')
    parser.add_argument('--train-batch', type=int, default=None,
                        help='images of a training step (default: 8 on a GPU, 2 on a CPU)')
    parser.add_argument('--train-size', type=int, nargs=2, default=None, metavar=('H', 'W'),
                        help='crops of a training step (default: 480 480, on a CPU 224 224)')
    parser.add_argument('--device', help='default: the GPU if there is one')
    parser.add_argument('--out', metavar='FILE.json', help='also write the metrics here')
    args = parser.parse_args()
    unknown = [part for part in args.parts if part not in PARTS]
    if unknown:
        parser.error(f'{unknown[0]!r} is none of: {", ".join(PARTS)}')
    for name, values in (('repeats', [args.repeats]), ('train-batch', [args.train_batch]),
                         ('train-size', args.train_size or [])):
        for value in values:
            if value is not None and value < 1:
                parser.error(f'--{name} is {value}, expected at least 1')
    return args


def train_settings(args: argparse.Namespace, on_gpu: bool) -> tuple:
    """Config, batch and crop of the training steps."""
    from mmseg_maskclip.engine.config import load_config

    return (load_config(args.train_config), args.train_batch or (8 if on_gpu else 2),
            tuple(args.train_size or ((480, 480) if on_gpu else (224, 224))))


def train_rows(args: argparse.Namespace, device) -> list:
    from benchmarks import training as benchmark_train

    on_gpu = device.type == 'cuda'
    config, batch, size = train_settings(args, on_gpu)
    rows = [benchmark_train.data_pipeline(config, args.repeats)]
    for amp in (None, 'bf16', 'fp16') if on_gpu else (None,):
        rows += benchmark_train.training_step(config, batch, size, amp, device, args.repeats)
    return rows


def class_weight_rows(args: argparse.Namespace, device) -> list:
    from benchmarks import class_weight as benchmark

    rows = [row for model in args.models
            for row in benchmark.weighted_image(model, device, args.repeats)]
    return rows + [benchmark.weighted_step(*train_settings(args, device.type == 'cuda'), device,
                                           args.repeats)]


def heads_rows(args: argparse.Namespace, device, dtypes: list) -> tuple:
    """Rows of the read-outs of every ViT, and rows of PAMR."""
    from mmseg_maskclip.clip import get_spec
    from mmseg_maskclip.utils import InputError

    from benchmarks import heads, pamr

    models = [model for model in args.models if get_spec(model).kind == 'vit']
    if not models:
        raise InputError(f'the part heads is of ViTs, --models names {args.models}: add ViT-B/16.')
    # PAMR takes as long as a few forward passes, and hardly varies.
    return ([row for dtype in dtypes for model in models
             for row in heads.readout_rows(model, device, dtype, args.repeats)],
            pamr.refinement_rows(models[0], device, max(1, args.repeats // 2)))


def main(args: argparse.Namespace) -> None:
    import logging

    import torch

    from mmseg_maskclip.clip import pick_device
    from mmseg_maskclip.engine.record import versions, write_json
    from mmseg_maskclip.utils import writable_dir

    from benchmarks import speed as benchmark

    logging.getLogger().setLevel(logging.ERROR)
    device = pick_device(args.device)
    if args.out:
        writable_dir(Path(args.out).parent, 'folder of --out')
    on_gpu = device.type == 'cuda'
    parts = args.parts or PARTS
    dtypes = args.dtypes or (['fp32', 'bf16'] if on_gpu else ['fp32'])
    rows, readouts = [], []
    if 'memory' in parts:
        # First: memory kept by the allocator for other parts would hide what this one needs.
        rows.append(benchmark.large_vocabulary())
    if 'labels' in parts:
        for dtype in dtypes:
            rows += [benchmark.image_to_labels(model, device, dtype, args.repeats)
                     for model in args.models]
    if 'text' in parts:
        rows.append(benchmark.text_bank(args.models[0], device,
                                        args.text_classes or (171 if on_gpu else 8), 1))
    if 'train' in parts:
        rows += train_rows(args, device)
    if 'class_weight' in parts:
        rows += class_weight_rows(args, device)
    if 'heads' in parts:
        from benchmarks import heads

        readouts, refiners = heads_rows(args, device, dtypes)
        rows += refiners
        print(heads.table(readouts))
    print(benchmark.table(rows))
    print(f'{device}, {torch.get_num_threads()} threads, torch {torch.__version__}')
    if args.out:
        write_json(args.out, {'rows': rows + readouts, 'device': str(device),
                              'threads': torch.get_num_threads(), 'versions': versions()})


if __name__ == '__main__':
    arguments = parse_args()
    from mmseg_maskclip.cli.run import run_tool
    run_tool(main, arguments)
