"""Convert labels that are painted in colours (``maskclip colour-labels``)."""

from mmseg_maskclip.cli.main import run_command

if __name__ == '__main__':
    run_command('colour-labels')
