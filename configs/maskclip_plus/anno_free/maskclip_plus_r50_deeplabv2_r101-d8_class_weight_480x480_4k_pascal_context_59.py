_base_ = './maskclip_plus_r50_deeplabv2_r101-d8_480x480_4k_pascal_context_59.py'
model = dict(class_weight=dict(mode='softmax', tau=0.25, on='student', classifier='ViT-B/16'))
# As the published run on one GPU; its runs without class weight had the same.
data = dict(samples_per_gpu=8)
optimizer = dict(lr=0.005, weight_decay=2.5e-4)
total_batch_size = 8
