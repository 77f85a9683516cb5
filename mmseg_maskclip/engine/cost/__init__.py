"""What a model costs: parameters, multiply-adds, images per second."""

from mmseg_maskclip.engine.cost.measure import Cost, measure_cost
from mmseg_maskclip.engine.cost.operations import count_flops
from mmseg_maskclip.engine.cost.report import cost_record, cost_table
from mmseg_maskclip.engine.cost.speed import timed_turns
from mmseg_maskclip.engine.cost.text import random_bank, set_random_text

__all__ = ['Cost', 'cost_record', 'cost_table', 'count_flops', 'measure_cost', 'random_bank',
           'set_random_text', 'timed_turns']
