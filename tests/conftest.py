"""What all tests may use: the embedded world in miniature, and a cache of their own."""

import gc
from pathlib import Path
from types import SimpleNamespace

import cv2
import pytest
import torch

import mmseg_maskclip.register  # noqa: F401  (before mmseg, so that any test file runs on its own)

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope='session', autouse=True)
def own_cache(tmp_path_factory):
    """Nothing is read from or left in the user's cache."""
    patch = pytest.MonkeyPatch()
    patch.setenv('MASKCLIP_CACHE', str(tmp_path_factory.mktemp('cache')))
    yield
    patch.undo()


@pytest.fixture(scope='session', autouse=True)
def one_thread():
    """Equal runs are equal to the last bit, and a fork finds no pool of threads that it lacks."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)


@pytest.fixture(scope='session', autouse=True)
def no_pretended_gpus():
    """Without a GPU torch's export sets up eight pretended ones, for the rest of the process.

    The backward pass of a fork would start a thread for each, which fails now and then.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('torch._C._ensureCUDADeviceGuardSet', lambda: None, raising=False)
        yield


@pytest.fixture(scope='session', autouse=True)
def frozen_imports():
    """A collection need not look at what was imported, 0.3 s each time, and forks share it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope='session', autouse=True)
def no_idle_mmcv():
    """mmcv's runner sleeps for a second when it is done; yapf takes 0.2 s to format a config."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('mmcv.runner.iter_based_runner.time', SimpleNamespace(sleep=lambda _: None))
        patch.setattr('mmcv.utils.config.FormatCode', lambda text, **_: (text, True))
        yield


@pytest.fixture(scope='session')
def tiny_world(tmp_path_factory):
    """A small written world: 4 training and 6 validation scenes."""
    from mmseg_maskclip.tinyworld.writer import World, write_world
    root = tmp_path_factory.mktemp('tinyworld')
    write_world(root, World(train=4, val=6, seed=1))
    return root


@pytest.fixture(scope='session')
def tiny_rn():
    """The embedded ResNet CLIP."""
    return ROOT / 'mmseg_maskclip' / 'tinyworld' / 'weights' / 'tiny_rn.pth'


@pytest.fixture(scope='session', params=['drawn', 'real'])
def samples(request, tmp_path_factory):
    """Labelled pictures in their data sets' encoding; the real ones where MASKCLIP_SAMPLES is."""
    from helpers.samples import drawn_samples, real_samples
    found = (drawn_samples(tmp_path_factory.mktemp('samples')) if request.param == 'drawn'
             else real_samples())
    if found is None:
        pytest.skip('MASKCLIP_SAMPLES is not set')
    return found


@pytest.fixture
def call_tool(capfd):
    """Run a tool in this process: (exit code, stdout, stderr). Spares the imports."""
    from helpers.tools import call_tool as call

    return lambda *args: call(capfd, *args)


def pytest_collection_modifyitems(config, items):
    """Skip what needs a GPU where there is none."""
    if torch.cuda.is_available():
        return
    for item in items:
        # Not by its keywords, of which the folder's name is one.
        if item.get_closest_marker('gpu'):
            item.add_marker(pytest.mark.skip(reason='no GPU on this machine'))
