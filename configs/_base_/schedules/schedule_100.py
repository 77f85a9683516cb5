_base_ = './sgd.py'
runner = dict(type='IterBasedRunner', max_iters=100)
checkpoint_config = dict(by_epoch=False, interval=100)
evaluation = dict(interval=1000, metric='mIoU', pre_eval=True)
