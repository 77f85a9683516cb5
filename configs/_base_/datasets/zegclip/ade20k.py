# ADE20K, 150 classes, by ZegCLIP's protocol; its class set has the data set's own names.
_base_ = ['../ade20k.py', '../../pipelines/zegclip.py']
data = dict(
    train=dict(pipeline={{_base_.zegclip_train_pipeline}}),
    val=dict(pipeline={{_base_.zegclip_test_pipeline}}),
    test=dict(pipeline={{_base_.zegclip_test_pipeline}}))
