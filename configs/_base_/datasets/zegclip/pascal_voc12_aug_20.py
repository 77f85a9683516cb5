# PASCAL VOC 2012, 20 classes, by ZegCLIP's protocol: the data set's own names.
_base_ = ['../pascal_voc12_aug_20.py', '../../pipelines/zegclip.py']
vocabulary = 'zegclip_voc'
data = dict(
    train=dict(pipeline={{_base_.zegclip_train_pipeline}}),
    val=dict(pipeline={{_base_.zegclip_test_pipeline}}),
    test=dict(pipeline={{_base_.zegclip_test_pipeline}}))
