# ITACLIP without its texts, which are others'. The share of the mirrored views differs from data
# set to data set, see itaclip_vit16_*.py.
_base_ = './clip.py'
pamr = dict(type='Pamr', iterations=10, dilations=(8, 16))
closing = dict(type='Closing', size=3)
model = dict(
    backbone=dict(
        pad='corner',
        readout=dict(
            pairs=['qq', 'kk'], combine='sum', ffn=False,
            middle=dict(blocks=(7, 8, 10), pairs=['qq', 'kk'], weight=0.5))),
    views=dict(weight=0.75),
    refine=[pamr, closing])
