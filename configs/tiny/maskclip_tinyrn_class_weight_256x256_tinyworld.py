_base_ = './maskclip_tinyrn_256x256_tinyworld.py'
model = dict(class_weight=dict(mode='log_prior', tau=0.1, classifier='TinyRN'))
