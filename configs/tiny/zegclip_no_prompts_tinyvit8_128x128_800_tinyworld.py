# The baseline of the paper: the same decoder on the frozen tower as it is.
_base_ = './zegclip_tinyvit8_128x128_800_tinyworld.py'
model = dict(backbone=dict(num_prompts=0, prompt_norm=False))
