"""Convert the labels of PASCAL VOC 2012 aug (``maskclip voc-aug``)."""

from mmseg_maskclip.cli.main import run_command

if __name__ == '__main__':
    run_command('voc-aug')
