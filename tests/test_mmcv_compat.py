import subprocess
import sys

import pytest

from mmseg_maskclip import mmcv_compat
from mmseg_maskclip.utils import InputError

from helpers.cases import cases


def test_placeholder_raises_only_when_called():
    placeholder = mmcv_compat._MissingOps('mmcv._ext')
    operator = placeholder.nms
    with pytest.raises(InputError, match="'nms' is not installed.*env_install.sh --full"):
        operator(1, 2)


@cases('versions, words', [
    ({}, 'mmcv is not installed'),
    ({'mmcv': '2.1.0'}, 'mmcv 2.1.0 is installed, expected mmcv 1.7.2'),
    ({'mmcv-full': '1.5.0'}, 'mmcv 1.5.0'),
    ({'mmcv': '1.7.2'}, 'mmsegmentation is not installed'),
    ({'mmcv': '1.7.2', 'mmsegmentation': '1.2.0'}, 'mmsegmentation 1.2.0'),
])
def test_wrong_host_says_what_to_run(versions, words, monkeypatch):
    def version(name):
        if name not in versions:
            raise mmcv_compat.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(mmcv_compat.metadata, 'version', version)
    with pytest.raises(InputError, match=words) as error:
        mmcv_compat.prepare_mmcv()
    assert 'bash env_install.sh' in str(error.value)


def test_a_real_build_wins(monkeypatch):
    real = type(sys)('mmcv._ext')
    monkeypatch.setitem(sys.modules, 'mmcv._ext', real)
    mmcv_compat.prepare_mmcv()
    assert sys.modules['mmcv._ext'] is real


def test_import_registers_and_is_quiet():
    code = ('import mmseg_maskclip.register\n'
            'from mmseg.models import BACKBONES, HEADS, SEGMENTORS\n'
            'from mmseg.datasets import DATASETS, PIPELINES\n'
            'assert BACKBONES.get("ClipViT") and HEADS.get("MaskClipHead")\n'
            'assert SEGMENTORS.get("MaskClip") and DATASETS.get("PascalVOCDataset20")\n'
            'assert PIPELINES.get("Corrupt")')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == '' and 'MMCV' not in done.stderr
