import json
import subprocess
import sys

import torch

from mmseg_maskclip.apis import benchmark
from mmseg_maskclip.clip import get_spec
from mmseg_maskclip.clip.reference import random_checkpoint, reference_encoder
from mmseg_maskclip.models.backbones.base import IMAGENET_MEAN, IMAGENET_STD


@torch.no_grad()
def test_reference_runs_on_the_same_weights():
    """At the native size both answer the same image with the same embedding."""
    spec = get_spec('RN50')
    checkpoint = random_checkpoint(spec)
    reference = reference_encoder(checkpoint, spec, (224, 224))
    model = benchmark.maskclip_of(checkpoint, spec, num_classes=3)
    reference.attnpool.positional_embedding.data = checkpoint.visual[
        'attnpool.positional_embedding']
    pixels = torch.rand(1, 3, 224, 224)
    imagenet = (pixels * 255 - torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1)) \
        / torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)
    openai = (pixels - torch.tensor(spec.mean).view(1, 3, 1, 1)) \
        / torch.tensor(spec.std).view(1, 3, 1, 1)
    torch.testing.assert_close(model.backbone.encode_image(imagenet), reference(openai),
                               rtol=1e-3, atol=1e-4)


def test_times_are_taken_in_turns():
    order = []
    seconds = benchmark.median_times({'a': lambda: order.append('a'),
                                      'b': lambda: order.append('b')}, 2, torch.device('cpu'))
    assert order == ['a', 'b'] * 3 and set(seconds) == {'a', 'b'}


def test_large_vocabulary_stays_below_two_gigabytes():
    """Measured in a process of its own: peak resident memory on top of the scores."""
    code = ('import json; from mmseg_maskclip.apis.benchmark import large_vocabulary\n'
            'print(json.dumps(large_vocabulary(num_classes=1000, side=1024)))')
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], check=True,
                          capture_output=True, text=True)
    row = json.loads(done.stdout.splitlines()[-1])
    assert 0 < row['extra_mb'] < 500 < row['plain_mb']


def test_table_shows_ratios():
    text = benchmark.table([{'what': 'x', 'ours_s': 1.0, 'reference_s': 2.0,
                             'reference': 'y', 'ratio': 0.5}])
    assert '0.50' in text and '2.000 s' in text


def test_unknown_part_is_an_error(call_tool):
    done = call_tool('tools/benchmark.py', 'nothing')
    assert done.returncode == 2 and 'nothing' in done.stderr
