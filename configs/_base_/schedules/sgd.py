# Published MaskCLIP+ runs: 4 GPUs with 4 images each.
total_batch_size = 16
optimizer = dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.0005)
optimizer_config = dict()
lr_config = dict(policy='poly', power=0.9, min_lr=1e-4, by_epoch=False)
