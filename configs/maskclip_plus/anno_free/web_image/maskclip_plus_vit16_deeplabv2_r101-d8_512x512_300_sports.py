_base_ = [
    '../../../_base_/models/maskclip_plus_vit16_deeplabv2_r101-d8.py',
    '../../../_base_/datasets/image_folder.py',
    '../../../_base_/schedules/schedule_300.py',
    '../../../_base_/default_runtime.py',
]
model = dict(
    decode_head=dict(num_classes=17, vocabulary='sports'),
    teacher=dict(decode_head=dict(num_classes=17, vocabulary='sports')))
data = dict(
    train=dict(img_dir='data/web_image/sports', classes='sports'),
    val=dict(img_dir='data/web_image/sports', classes='sports'),
    test=dict(img_dir='data/web_image/sports', classes='sports'))
evaluation = None
