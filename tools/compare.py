"""Draw images, labels of several models and ground truth side by side (``maskclip compare``)."""

from mmseg_maskclip.cli.main import run_command

if __name__ == '__main__':
    run_command('compare')
