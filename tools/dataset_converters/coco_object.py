"""Convert the labels of COCO-Object (``maskclip coco-object``)."""

from mmseg_maskclip.cli.main import run_command

if __name__ == '__main__':
    run_command('coco-object')
