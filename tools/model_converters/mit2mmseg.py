"""Convert SegFormer's ImageNet weights to mmseg's names (``maskclip mit2mmseg``)."""

from mmseg_maskclip.cli.main import run_command

if __name__ == '__main__':
    run_command('mit2mmseg')
