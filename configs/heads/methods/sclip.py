# SCLIP: queries with queries and keys with keys, rows of the attention adding up to 2.
_base_ = './clip.py'
model = dict(backbone=dict(
    pad='corner', readout=dict(pairs=['qq', 'kk'], combine='sum')))
