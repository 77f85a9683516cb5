_base_ = [
    '../../../_base_/models/maskclip_plus_vit16_deeplabv2_r101-d8.py',
    '../../../_base_/datasets/image_folder.py',
    '../../../_base_/schedules/schedule_300.py',
    '../../../_base_/default_runtime.py',
]
model = dict(
    decode_head=dict(num_classes=7, vocabulary='batman'),
    teacher=dict(decode_head=dict(num_classes=7, vocabulary='batman')))
data = dict(
    train=dict(img_dir='data/web_image/batman', classes='batman'),
    val=dict(img_dir='data/web_image/batman', classes='batman'),
    test=dict(img_dir='data/web_image/batman', classes='batman'))
evaluation = None
