"""Encode class names into the text features of the class weight.

As prompt_engineering.py, but the mean over the prompts of a class is not
L2-normalised. Writes {SET}_{MODEL}_clip_text_features.pth; the published
configs read images with ViT16.
"""

from __future__ import annotations

import argparse

from mmseg_maskclip.cli.clip.text_bank import add_text_arguments, write_bank


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_text_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    write_bank(args, synonyms='mean', normalize=False)
