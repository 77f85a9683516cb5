# A folder of images without labels, tested as ZegCLIP does.
_base_ = ['../image_folder.py', '../../pipelines/zegclip.py']
data = dict(
    train=dict(pipeline={{_base_.zegclip_train_pipeline}}),
    val=dict(pipeline={{_base_.zegclip_test_pipeline}}),
    test=dict(pipeline={{_base_.zegclip_test_pipeline}}))
