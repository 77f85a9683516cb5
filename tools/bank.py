"""Embed words for an exported model (``maskclip bank``)."""

from mmseg_maskclip.cli.main import run_command

if __name__ == '__main__':
    run_command('bank')
