# NACLIP with PAMR, as in its own table.
_base_ = './naclip.py'
model = dict(refine=[dict(type='Pamr', iterations=10, dilations=(8, 16))])
