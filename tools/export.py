"""Write a model as ONNX or for torch.export (``maskclip export``)."""

from mmseg_maskclip.cli.main import run_command

if __name__ == '__main__':
    run_command('export')
