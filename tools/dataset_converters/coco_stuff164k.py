"""Convert the labels of COCO-Stuff 164k (``maskclip coco-stuff164k``)."""

from mmseg_maskclip.cli.main import run_command

if __name__ == '__main__':
    run_command('coco-stuff164k')
