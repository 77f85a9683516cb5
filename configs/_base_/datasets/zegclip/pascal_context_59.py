# PASCAL Context, 59 classes, by ZegCLIP's protocol: the data set's own names, crops of 512.
_base_ = ['../pascal_context_59.py', '../../pipelines/zegclip.py']
vocabulary = 'sclip_context59'
data = dict(
    train=dict(pipeline={{_base_.zegclip_train_pipeline}}),
    val=dict(pipeline={{_base_.zegclip_test_pipeline}}),
    test=dict(pipeline={{_base_.zegclip_test_pipeline}}))
