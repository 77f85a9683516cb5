"""The fourteen classes of the embedded world: names, colours, split, synonyms."""

from __future__ import annotations

STUFF = ('grass', 'sky', 'sand', 'water', 'bricks', 'forest')
THINGS = ('zebra', 'tiger', 'ladybird', 'giraffe', 'cookie', 'strawberry', 'chessboard', 'melon')
CLASSES = STUFF + THINGS

PALETTE = (
    (112, 190, 70), (120, 180, 240), (236, 212, 150), (24, 96, 180), (176, 84, 56), (16, 92, 48),
    (240, 240, 240), (250, 140, 20), (170, 0, 30), (140, 100, 40), (96, 52, 16), (255, 64, 110),
    (50, 50, 60), (0, 200, 150),
)

UNSEEN = ('water', 'giraffe', 'strawberry', 'chessboard')

VOCABULARY = list(CLASSES)

SYNONYMS = {
    'grass': ('lawn', 'meadow'),
    'sky': ('clouds', 'cloudy sky'),
    'sand': ('beach', 'desert'),
    'water': ('sea', 'lake'),
    'bricks': ('brick wall', 'wall'),
    'forest': ('trees', 'woods'),
    'zebra': ('zebras',),
    'tiger': ('tigers',),
    'ladybird': ('ladybug', 'beetle'),
    'giraffe': ('giraffes',),
    'cookie': ('biscuit', 'chocolate chip cookie'),
    'strawberry': ('strawberries', 'berry'),
    'chessboard': ('checkerboard', 'chess board'),
    'melon': ('watermelon', 'fruit'),
}
