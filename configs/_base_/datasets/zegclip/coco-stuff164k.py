# COCO-Stuff 164k, 171 classes, by ZegCLIP's protocol: the data set's own names.
_base_ = ['../coco-stuff164k.py', '../../pipelines/zegclip.py']
vocabulary = 'zegclip_coco_stuff'
data = dict(
    train=dict(pipeline={{_base_.zegclip_train_pipeline}}),
    val=dict(pipeline={{_base_.zegclip_test_pipeline}}),
    test=dict(pipeline={{_base_.zegclip_test_pipeline}}))
