"""Download CLIP checkpoints, check their SHA-256, convert them and build text banks.

Models are OpenAI's by name and open_clip's as NAME:TAG; tags that lie on the
Hugging Face hub come through its client, whose cache and environment variables
(HF_HUB_CACHE, HF_ENDPOINT, HF_HUB_OFFLINE, HF_TOKEN) hold, and are linked.

The banks are those of voc, context and stuff, for ViT-B/16 also the text
features of the class weight. Existing files are kept; an interrupted
download is resumed. MASKCLIP_BASE_URL names a mirror with the files at
{base}/{sha256}/{filename}.
"""

from __future__ import annotations

import argparse

MODELS = ['RN50', 'ViT-B/16']
SETS = ['voc', 'context', 'stuff']
CLASSIFIER = 'ViT-B/16'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument('models', nargs='*', default=MODELS, metavar='MODEL',
                        help='RN50, RN101, RN50x4, RN50x16, RN50x64, ViT-B/32, ViT-B/16, '
                             'ViT-L/14, ViT-L/14@336px (default: RN50 ViT-B/16), or weights of '
                             'open_clip as NAME:TAG, e.g. ViT-B-16:datacomp_xl_s13b_b90k')
    parser.add_argument('--out', metavar='DIR', default='pretrain',
                        help='folder to write to (default: pretrain)')
    parser.add_argument('--class-set', nargs='*', default=SETS, metavar='SET',
                        help='text banks to build (default: voc context stuff)')
    parser.add_argument('--device', help='cpu or cuda (default: cuda where there is one)')


def fresh(target, source) -> bool:
    """Whether a file is there and was made after its source."""
    return target.is_file() and target.stat().st_mtime >= source.stat().st_mtime


def convert(spec, path, args: argparse.Namespace, device) -> None:
    """Write what is missing of a model's converted files and text banks."""
    from mmseg_maskclip.clip import (
        backbone_path,
        bank_path,
        build_text_bank,
        read_clip_checkpoint,
        weights_path,
        write_backbone_file,
        write_weights_file,
    )
    jobs = [(backbone_path(spec.short_name, args.out), write_backbone_file),
            (weights_path(spec.short_name, args.out), write_weights_file)]
    banks = {name: bank_path(name, spec.short_name, args.out) for name in args.class_set}
    # The class weight reads images with this model, and wants rows that are not L2-normalised.
    features = {name: bank_path(name, spec.short_name, args.out, normalized=False)
                for name in args.class_set if spec.name == CLASSIFIER}
    targets = [target for target, _ in jobs] + [*banks.values(), *features.values()]
    if all(fresh(target, path) for target in targets):
        print(f'{spec.name}: all files are there')
        return
    checkpoint = read_clip_checkpoint(path)
    for target, write in jobs:
        if not fresh(target, path):
            write(checkpoint, spec, target)
            print(f'wrote {target}')
    for name in args.class_set:
        wanted = [kind[name] for kind in (banks, features) if name in kind]
        if all(fresh(target, path) for target in wanted):
            continue
        # Prompts are encoded once; both files come from the same means.
        means = build_text_bank(checkpoint, spec, name, normalize=False, device=device)
        for target in wanted:
            (means.unit() if target == banks[name] else means).save(target)
            print(f'wrote {target}')


def run(args: argparse.Namespace) -> None:
    """Check every name first, then download and convert one model after the other."""
    from mmseg_maskclip.clip import download_clip, get_spec, load_vocabulary, pick_device
    specs = [get_spec(name) for name in args.models]
    for name in args.class_set:
        load_vocabulary(name)
    device = pick_device(args.device)
    for spec in specs:
        path = download_clip(spec, args.out)
        print(f'{spec.name}: {path}')
        convert(spec, path, args, device)
