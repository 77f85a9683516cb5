"""Encode class names into the text features of the class weight (``maskclip text-features``)."""

from mmseg_maskclip.cli.main import run_command

if __name__ == '__main__':
    run_command('text-features')
