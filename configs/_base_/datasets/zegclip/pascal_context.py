# PASCAL Context, 60 classes, by ZegCLIP's protocol: the data set's own names.
_base_ = ['../pascal_context.py', '../../pipelines/zegclip.py']
vocabulary = 'sclip_context60'
data = dict(
    train=dict(pipeline={{_base_.zegclip_train_pipeline}}),
    val=dict(pipeline={{_base_.zegclip_test_pipeline}}),
    test=dict(pipeline={{_base_.zegclip_test_pipeline}}))
