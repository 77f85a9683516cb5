"""Test a segmentor, or segment pictures with it (``maskclip test``)."""

from mmseg_maskclip.cli.main import run_command

if __name__ == '__main__':
    run_command('test')
