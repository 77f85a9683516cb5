"""Time and memory of MaskCLIP, as ratios in one run against something users know.

    python tools/benchmark.py                 all of it
    python tools/benchmark.py labels          image -> label map against open_clip's visual forward
    python tools/benchmark.py text            text bank in batches against one class at a time
    python tools/benchmark.py memory          peak memory of a large vocabulary; a large text bank
    python tools/benchmark.py train           MaskCLIP+ step against a supervised step and a teacher
    python tools/benchmark.py class_weight    what the class weight adds to an image and to a step
    python tools/benchmark.py heads           training-free read-outs against a plain forward; PAMR
    python tools/benchmark.py zegclip         ZegCLIP's labels, and its step against a plain one
    python tools/benchmark.py predict         files to labels, other words, the command's start
    python tools/benchmark.py export          exported models in ONNX Runtime against torch, 8 bits
    python tools/benchmark.py precision       half precision: time, and labels equal to fp32's
    python tools/benchmark.py test            tools/test.py over files against a bare forward
    python tools/benchmark.py scale           growth over many files, the listing of many more

Weights are random: nothing needs to be downloaded.
"""

import argparse
from pathlib import Path

TRAIN_CONFIG = ('configs/maskclip_plus/anno_free/'
                'maskclip_plus_vit16_deeplabv2_r101-d8_480x480_4k_pascal_context_59.py')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('parts', nargs='*', metavar='PART', help=f'some of: {", ".join(PARTS)}')
    parser.add_argument('--models', nargs='+', default=['ViT-B/16', 'RN50'])
    parser.add_argument('--size', type=int, nargs=2, default=(512, 683), metavar=('H', 'W'),
                        help='of the image of the part labels (default: 512 683)')
    parser.add_argument('--dtypes', nargs='+', choices=['fp32', 'bf16'], default=None,
                        help='default: fp32, on a GPU also bf16')
    parser.add_argument('--repeats', type=int, default=5, help='timed runs, the median counts')
    parser.add_argument('--text-classes', type=int, default=None,
                        help='classes of the text bank (default: 171 on a GPU, 8 on a CPU)')
    parser.add_argument('--train-config', default=TRAIN_CONFIG, metavar='CONFIG',
                        help='MaskCLIP+ config of the training step (default: %(default)s)')
    parser.add_argument('--train-batch', type=int, default=None,
                        help='images of a training step (default: 8 on a GPU, of ZegCLIP 4; 2 on '
                             'a CPU)')
    parser.add_argument('--train-size', type=int, nargs=2, default=None, metavar=('H', 'W'),
                        help='crops of a training step (default: 480 480, on a CPU 224 224; of '
                             'ZegCLIP 512 512)')
    parser.add_argument('--short', type=int, default=None, metavar='N',
                        help='short side of the pictures of the part test (default: 512 on a GPU, '
                             '224 on a CPU)')
    parser.add_argument('--files', type=int, default=10_000,
                        help='of the part scale; a hundred times as many are listed (default: '
                             '%(default)s)')
    parser.add_argument('--device', help='default: the GPU if there is one')
    parser.add_argument('--out', metavar='FILE.json', help='also write the metrics here')
    args = parser.parse_args()
    unknown = [part for part in args.parts if part not in PARTS]
    if unknown:
        parser.error(f'{unknown[0]!r} is none of: {", ".join(PARTS)}')
    for name, values in (('repeats', [args.repeats]), ('files', [args.files]),
                         ('size', args.size), ('short', [args.short]),
                         ('train-batch', [args.train_batch]),
                         ('train-size', args.train_size or [])):
        for value in values:
            if value is not None and value < 1:
                parser.error(f'--{name} is {value}, expected at least 1')
    return args


def _on_gpu(device) -> bool:
    return device.type == 'cuda'


def _dtypes(args: argparse.Namespace, device) -> list:
    return args.dtypes or (['fp32', 'bf16'] if _on_gpu(device) else ['fp32'])


def train_settings(args: argparse.Namespace, device) -> tuple:
    """Config, batch and crop of the training steps of MaskCLIP+."""
    from mmseg_maskclip.engine.config import load_config

    on_gpu = _on_gpu(device)
    return (load_config(args.train_config), args.train_batch or (8 if on_gpu else 2),
            tuple(args.train_size or ((480, 480) if on_gpu else (224, 224))))


def memory_rows(args: argparse.Namespace, device) -> list:
    """Rows of the memory of a large vocabulary, and of a text bank of 20,000 rows."""
    from benchmarks import scale, speed

    return [speed.large_vocabulary(), *scale.bank_rows(args.models[0])]


def labels_rows(args: argparse.Namespace, device) -> list:
    """Rows of image to labels, of every model and precision."""
    from benchmarks import speed

    return [speed.image_to_labels(model, device, dtype, args.repeats, tuple(args.size))
            for dtype in _dtypes(args, device) for model in args.models]


def text_rows(args: argparse.Namespace, device) -> list:
    """Row of the text bank."""
    from benchmarks import speed

    classes = args.text_classes or (171 if _on_gpu(device) else 8)
    return [speed.text_bank(args.models[0], device, classes, 1)]


def train_rows(args: argparse.Namespace, device) -> list:
    """Rows of the MaskCLIP+ step and the training pipeline."""
    from benchmarks import training

    config, batch, size = train_settings(args, device)
    rows = [training.data_pipeline(config, args.repeats)]
    for amp in (None, 'bf16', 'fp16') if _on_gpu(device) else (None,):
        rows += training.training_step(config, batch, size, amp, device, args.repeats,
                                       lower_teacher=_on_gpu(device))
    return rows


def class_weight_rows(args: argparse.Namespace, device) -> list:
    """Rows of what the class weight adds."""
    from benchmarks import class_weight

    rows = [row for model in args.models
            for row in class_weight.weighted_image(model, device, args.repeats)]
    return rows + [class_weight.weighted_step(*train_settings(args, device), device, args.repeats)]


def heads_rows(args: argparse.Namespace, device) -> list:
    """Rows of the read-outs of every ViT, and of PAMR."""
    from mmseg_maskclip.clip import get_spec
    from mmseg_maskclip.utils import InputError

    from benchmarks import heads, pamr

    models = [model for model in args.models if get_spec(model).kind == 'vit']
    if not models:
        raise InputError(f'the part heads is of ViTs, --models names {args.models}: add ViT-B/16.')
    rows = [row for dtype in _dtypes(args, device) for model in models
            for row in heads.readout_rows(model, device, dtype, args.repeats)]
    # PAMR takes as long as a few forward passes, and hardly varies.
    return rows + pamr.refinement_rows(models[0], device, max(1, args.repeats // 2))


def zegclip_rows(args: argparse.Namespace, device) -> list:
    """Rows of ZegCLIP: image to labels, and the training step."""
    from benchmarks import zegclip

    return zegclip.rows(args.train_batch or (4 if _on_gpu(device) else 2),
                        tuple(args.train_size or zegclip.SIZE), device, _dtypes(args, device),
                        args.repeats)


def predict_rows(args: argparse.Namespace, device) -> list:
    """Rows of predictions over files, of other words, and of the command's start."""
    from benchmarks import predict

    return predict.rows(args.models[0], device, args.repeats)


def export_rows(args: argparse.Namespace, device) -> list:
    """Rows of exported models, in 32 and in 8 bits; on the CPU."""
    from benchmarks import export

    return export.rows(args.models[0], args.repeats)


def precision_rows(args: argparse.Namespace, device) -> list:
    """Rows of half precision, of random and of embedded models."""
    from benchmarks import testing

    return testing.rows_of_precision(args.models, device, args.repeats, scenes=20)


def test_rows(args: argparse.Namespace, device) -> list:
    """Rows of a test run over files."""
    from benchmarks import testing

    # On a GPU enough for the worker processes to be the ones that are waited for.
    return [row for model in args.models for row in testing.loop_rows(
        model, device, args.repeats, 256 if _on_gpu(device) else 12,
        args.short or (512 if _on_gpu(device) else 224))]


def scale_rows(args: argparse.Namespace, device) -> list:
    """Rows of a prediction over many files."""
    from benchmarks import scale

    return scale.file_rows(args.files)


# Memory comes first: what the allocator keeps for other parts would hide what this one needs.
PARTS = {'memory': memory_rows, 'labels': labels_rows, 'text': text_rows, 'train': train_rows,
         'class_weight': class_weight_rows, 'heads': heads_rows, 'zegclip': zegclip_rows,
         'predict': predict_rows, 'export': export_rows, 'precision': precision_rows,
         'test': test_rows, 'scale': scale_rows}


def main(args: argparse.Namespace) -> None:
    import logging

    import torch

    from mmseg_maskclip.clip import pick_device
    from mmseg_maskclip.engine.record import versions, write_json
    from mmseg_maskclip.utils import writable_dir

    from benchmarks import heads, speed

    logging.getLogger().setLevel(logging.ERROR)
    device = pick_device(args.device)
    if args.out:
        writable_dir(Path(args.out).parent, 'folder of --out')
    rows = [row for name, part in PARTS.items() if name in (args.parts or PARTS)
            for row in part(args, device)]
    # Those of read-outs count operations, too, and have a table of their own.
    readouts = [row for row in rows if 'ours_gflop' in row]
    others = [row for row in rows if 'ours_gflop' not in row]
    if readouts:
        print(heads.table(readouts))
    print(speed.table(others))
    print(f'{device}, {torch.get_num_threads()} threads, torch {torch.__version__}')
    if args.out:
        write_json(args.out, {'rows': others + readouts, 'device': str(device),
                              'threads': torch.get_num_threads(), 'versions': versions()})


if __name__ == '__main__':
    arguments = parse_args()
    from mmseg_maskclip.cli.run import run_tool
    run_tool(main, arguments)
