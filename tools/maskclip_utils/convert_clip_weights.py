"""Convert a CLIP checkpoint to the files of the earlier tools (``maskclip convert-clip``)."""

from mmseg_maskclip.cli.main import run_command

if __name__ == '__main__':
    run_command('convert-clip')
