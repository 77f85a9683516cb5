"""Encode class names into a text bank (``maskclip text-bank``)."""

from mmseg_maskclip.cli.main import run_command

if __name__ == '__main__':
    run_command('text-bank')
