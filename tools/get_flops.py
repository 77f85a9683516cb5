"""Count parameters and multiply-adds of a model, and time it (``maskclip get-flops``)."""

from mmseg_maskclip.cli.main import run_command

if __name__ == '__main__':
    run_command('get-flops')
