"""Convert the labels of PASCAL Context (``maskclip pascal-context``)."""

from mmseg_maskclip.cli.main import run_command

if __name__ == '__main__':
    run_command('pascal-context')
