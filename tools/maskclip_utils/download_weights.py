"""Download CLIP weights, convert them, build the usual text banks (``maskclip download``)."""

from mmseg_maskclip.cli.main import run_command

if __name__ == '__main__':
    run_command('download')
