"""The ZegClip segmentor: what it learns, from which labels, and how it scores."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from mmseg_maskclip.clip import TextBank
from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.engine.train.ema import EmaLabellerHook
from mmseg_maskclip.models import FocalDiceLoss
from mmseg_maskclip.models.decode_heads.mask_decoder import DecoderLayer
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.tools import ROOT
from helpers.zegclip import ARCH, CLASSES, UNSEEN, build_zegclip, step, zegclip_config

SEEN = [0, 2, 4]


def _labels(value=0, size=(32, 40), batch=2):
    return torch.full((batch, 1, *size), value)


def _seen_by_the_loss(model):
    """Logits and labels of the steps to come."""
    seen, forward = [], model.decode_head.loss_decode.forward

    def watched(logits, labels):
        seen.append((logits, labels))
        return forward(logits, labels)

    model.decode_head.loss_decode.forward = watched
    return seen


@pytest.mark.parametrize(('config', 'count'), [
    ('zegclip_vit16_512x512_20k_voc12aug_20.py', 8_039_168),
    ('zegclip_vit16_512x512_80k_coco-stuff164k.py', 8_868_608)])
def test_what_is_learned_is_what_the_published_model_really_learns(config, count):
    model = build_model(load_config(ROOT / 'configs/zegclip' / config), training=True)
    assert sum(weight.numel() for weight in model.parameters()) == count
    assert all(weight.requires_grad for weight in model.parameters())


@pytest.mark.parametrize('mode', ['inductive', 'transductive', 'supervised'])
def test_every_learned_weight_has_a_gradient(mode):
    """So that DDP need not look for unused parameters."""
    model, labels = build_zegclip(mode, head=dict(embed_dims=24)), _labels()
    labels[:, :, :9] = 1 if mode == 'supervised' else -1
    losses = step(model, labels)
    assert ('decode.filled_self' in losses) == (mode == 'transductive')
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    assert {name for name, weight in model.named_parameters() if weight.grad is None
            or not weight.grad.abs().sum()} <= {'decode_head.decoder.layers.0.cross_attn.k.bias'}


def test_inductive_training_asks_for_seen_classes_alone():
    model, labels = build_zegclip('inductive'), _labels(4)
    labels[:, :, 0], labels[:, :, 1], labels[:, :, 2] = -1, 255, 2
    seen = _seen_by_the_loss(model)
    step(model, labels)
    logits, targets = seen[0]
    assert logits.shape == (2, 3, 32, 40)
    assert targets.unique().tolist() == [1, 2, 255]
    assert (targets[:, :2] == 255).all() and (targets[:, 2] == 1).all()
    # The very queries of the seen classes: others do not change them.
    whole = model.eval().score_grid(torch.zeros(1, 3, 32, 32), [{}])
    alone = model.decode_head(model.extract_feat(torch.zeros(1, 3, 32, 32)), SEEN)
    torch.testing.assert_close(whole[:, SEEN], alone)


def test_the_model_labels_unseen_pixels_among_the_unseen_classes():
    model, labels = build_zegclip('transductive'), _labels(4)
    labels[:, :, :16], labels[:, :, 20] = -1, 255
    seen = _seen_by_the_loss(model)
    losses = step(model, labels)
    logits, targets = seen[0]
    best = torch.tensor(UNSEEN)[logits[:, UNSEEN].argmax(dim=1)]
    assert torch.equal(targets[:, :16], best[:, :16])
    assert (targets[:, 20] == 255).all() and (targets[:, 21:] == 4).all()
    assert losses['decode.filled_self'] == 0.5


def test_a_threshold_leaves_unsure_pixels_without_a_label():
    certainty = build_zegclip('transductive')
    seen = _seen_by_the_loss(certainty)
    step(certainty, _labels(-1))
    sure = seen[0][0][:, UNSEEN].sigmoid().amax(dim=1)
    model = build_zegclip('transductive', labelling=dict(self_thresh=sure.median().item()))
    seen = _seen_by_the_loss(model)
    step(model, _labels(-1))
    assert torch.equal(seen[0][1] == 255, sure < sure.median())


def test_a_moving_average_labels_in_place_of_the_model():
    model = build_zegclip('transductive')
    hook = EmaLabellerHook(momentum=0.9)
    hook.before_run(SimpleNamespace(model=model, keep=lambda *_: None))
    # The frozen tower is not copied.
    assert hook.average.backbone.tower is model.backbone.tower
    with torch.no_grad():
        for weight in hook.average.decode_head.parameters():
            weight.neg_()
    seen = _seen_by_the_loss(model)
    step(model, _labels(-1))
    torch.manual_seed(1)
    with torch.no_grad():
        scores = F.interpolate(hook.average(torch.randn(2, 3, 32, 40)), size=(32, 40),
                               mode='bilinear')
    assert torch.equal(seen[0][1], torch.tensor(UNSEEN)[scores[:, UNSEEN].argmax(dim=1)])
    assert not torch.equal(seen[0][1],
                           torch.tensor(UNSEEN)[seen[0][0][:, UNSEEN].argmax(dim=1)])


def test_a_label_of_an_unseen_class_stops_the_step():
    with pytest.raises(InputError, match=r'0\.jpg has labels of classes \[3\].*unlabelled'):
        step(build_zegclip('transductive'), _labels(3))


def test_ignored_pixels_are_negatives_unless_they_are_left_out():
    labels, other = _labels(4), _labels(4)
    labels[:, :, :8], other[:, :, :8] = 255, 255
    for leave_out, moves in ((False, True), (True, False)):
        model = build_zegclip('supervised', loss=dict(ignore_in_loss=leave_out))
        logits = torch.randn(2, CLASSES, 32, 40)
        changed = logits.clone()
        changed[:, :, :8] += 1
        first, second = (model.decode_head.losses(one, labels.squeeze(1))
                         for one in (logits, changed))
        for name in ('loss_mask', 'loss_dice'):
            assert (first[name] != second[name]) == moves, name
    assert model.decode_head.losses(logits, labels.squeeze(1))['acc_seg'] == pytest.approx(
        100 * (logits.argmax(dim=1) == 4)[:, 8:].float().mean().item())


@torch.no_grad()
def test_the_offset_is_taken_from_seen_classes():
    scores = torch.randn(3, 4, CLASSES)
    model = build_zegclip(test_cfg=dict(seen_offset=0.25)).eval()
    offset = torch.tensor([0.25, 0, 0.25, 0, 0.25])
    torch.testing.assert_close(model.activation(scores), scores.sigmoid() - offset)
    torch.testing.assert_close(model.probabilities(scores), scores)
    plain = build_zegclip().eval()
    torch.testing.assert_close(plain.activation(scores), scores.sigmoid())


@torch.no_grad()
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_it_can_be_cast_to_half_precision(dtype):
    model, image = build_zegclip(head=dict(embed_dims=24)).eval(), torch.randn(1, 3, 32, 40)
    metas = [dict(img_shape=(32, 40, 3), ori_shape=(32, 40, 3))]
    single = model.inference(image, metas, rescale=True)
    half = model.to(dtype).inference(image.to(dtype), metas, rescale=True)
    torch.testing.assert_close(half, single, atol=0.03, rtol=0)


@torch.no_grad()
def test_other_classes_take_the_place_of_the_trained_ones():
    model = build_zegclip('transductive', test_cfg=dict(seen_offset=0.1))
    with pytest.raises(InputError, match='in training cannot be replaced'):
        model.replace_classes(_words(7))
    model.eval().replace_classes(_words(7))
    assert model.unseen == () and not model.labeller.used
    model = build_zegclip('inductive', test_cfg=dict(seen_offset=0.1)).eval()
    trained = TextBank(embeddings=model.decode_head.text.embeddings, class_names=tuple('abcde'))
    image, meta = torch.randn(1, 3, 40, 24), [dict(img_shape=(40, 24, 3), ori_shape=(20, 12, 3))]
    before = model.inference(image, meta, rescale=True)
    model.replace_classes(_words(7))
    assert model.inference(image, meta, rescale=True).shape == (1, 7, 20, 12)
    model.replace_classes(trained)
    after = model.inference(image, meta, rescale=True)
    # No class is unseen now, none has an offset.
    torch.testing.assert_close(after[:, UNSEEN], before[:, UNSEEN])
    torch.testing.assert_close(after[:, SEEN], before[:, SEEN] + 0.1)


def _words(count):
    torch.manual_seed(2)
    return TextBank(embeddings=F.normalize(torch.randn(count, 16), dim=1),
                    class_names=tuple(map(str, range(count))))


@torch.no_grad()
def test_the_best_of_a_class_with_several_rows_is_its_mask():
    model = build_zegclip('inductive', rows=[0, 1, 2, 3, 4, 0, 4]).eval()
    dense = model.extract_feat(torch.randn(2, 3, 32, 32))
    head = model.decode_head
    found, seen = head(dense), head(dense, SEEN)
    head.text.synonyms = False
    rows = head(dense)
    for index, own in enumerate(([0, 5], [1], [2], [3], [4, 6])):
        torch.testing.assert_close(found[:, index], rows[:, own].amax(dim=1))
    torch.testing.assert_close(seen, found[:, SEEN])


def test_all_layers_start_as_copies_and_self_attention_does_not_exist():
    decoder = build_zegclip(head=dict(num_layers=3)).decode_head.decoder
    first, second = (layer.state_dict() for layer in decoder.layers)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    for part in ('q', 'k'):
        assert torch.equal(getattr(decoder.masks, part).weight,
                           first[f'cross_attn.{part}.weight'])
    assert not [name for name, _ in decoder.named_parameters() if 'self' in name]
    assert {name.split('.')[0] for name, _ in decoder.masks.named_parameters()} == {'q', 'k'}


@torch.no_grad()
def test_queries_follow_the_classes_and_their_embeddings():
    model = build_zegclip().eval()
    dense, head = model.extract_feat(torch.randn(1, 3, 32, 32)), model.decode_head
    whole = head(dense)
    for classes in (SEEN, UNSEEN, [2]):
        torch.testing.assert_close(head(dense, classes), whole[:, classes])
    head.set_text_bank(TextBank(embeddings=-head.text.embeddings, class_names=tuple('abcde')))
    torch.testing.assert_close(head(dense, [2]), head(dense)[:, [2]])
    assert not torch.equal(head(dense, [2]), whole[:, [2]])


@torch.no_grad()
def test_every_part_of_the_decoder_drops_out_in_training_alone():
    layer = DecoderLayer(16, 2, dropout=0.5)
    queries, patches = torch.randn(2, 5, 16), torch.randn(2, 12, 16)

    def varies(part, *inputs):
        return not torch.equal(part(*inputs), part(*inputs))

    assert varies(layer.cross_attn, queries, patches)
    layer.cross_attn.eval()
    # With the second linear layer at 0, what varies is dropped behind the attention.
    layer.linear2.weight.zero_()
    assert varies(layer, queries, patches)
    only_hidden = DecoderLayer(16, 2, dropout=0.5)
    only_hidden.cross_attn.eval().proj.weight.zero_()
    only_hidden.cross_attn.proj.bias.zero_()
    hidden = []
    only_hidden.linear2.register_forward_pre_hook(lambda _, inputs: hidden.append(inputs[0]))
    assert varies(only_hidden, queries, patches) and not torch.equal(*hidden)
    for one in (layer.eval(), only_hidden.eval()):
        assert not varies(one, queries, patches)


def test_losses_have_their_weights():
    logits, labels = torch.randn(1, 3, 8, 8), torch.zeros(1, 8, 8, dtype=torch.int64)
    plain = FocalDiceLoss(mask_weight=1.0)(logits, labels)
    weighted = FocalDiceLoss(mask_weight=20.0, dice_weight=3.0, loss_weight=2.0)(logits, labels)
    assert weighted['loss_mask'] == pytest.approx(40 * plain['loss_mask'].item())
    assert weighted['loss_dice'] == pytest.approx(6 * plain['loss_dice'].item())
    assert FocalDiceLoss().mask_weight == 100


@cases('settings, words', [
    (dict(mode='zero_shot'), "model.mode is 'zero_shot', expected one of"),
    (dict(unseen=[5]), r'model.unseen is \[5\], expected different class ids from 0 to 4'),
    (dict(unseen=[1, 1]), 'model.unseen'), (dict(unseen=[]), 'needs seen and unseen ones'),
    (dict(unseen=range(5)), 'names 5 of 5 classes'),
    (dict(mode='inductive', labelling=dict(self_thresh=0.5)), 'is for the transductive mode'),
    (dict(mode='transductive', labelling=dict(clip_guided=(1, -1))), "has 'clip_guided'"),
    (dict(mode='transductive', labelling=dict(self_thresh=1.5)), 'self_thresh is 1.5'),
    (dict(head=dict(text_channels=32)), 'text_channels is 32, CLIP model .* has 16'),
    (dict(head=dict(num_heads=3)), 'embed_dims is 16, expected a multiple of num_heads=3'),
    (dict(head=dict(loss_decode=dict(type='CrossEntropyLoss'))), "expected 'FocalDiceLoss'"),
    (dict(loss=dict(mask_weight=-1)), 'mask_weight'),
    (dict(loss=dict(ignore_in_loss='yes')), 'ignore_in_loss'),
    (dict(test_cfg=dict(seen_offset='high')), 'seen_offset'),
])
def test_impossible_settings_are_told(settings, words):
    with pytest.raises(InputError, match=words):
        build_model(zegclip_config(**settings), training=True)


@cases('part, settings, words', [
    ('backbone', dict(type='ClipViT', arch=ARCH), "is ClipViT, expected 'PromptedClipViT'"),
    ('decode_head', dict(type='MaskClipHead', num_classes=5, text_channels=16),
     "is MaskClipHead, expected 'ZegClipHead'"),
])
def test_other_parts_are_refused(part, settings, words):
    config = zegclip_config()
    config.model[part] = settings
    with pytest.raises(InputError, match=words):
        build_model(config)


def test_a_model_for_tests_alone_is_not_trained():
    model = build_zegclip('inductive', transfer=True, unseen=[])
    with pytest.raises(InputError, match='model.transfer is True'):
        step(model, _labels())
    model = build_zegclip('inductive', head=dict(num_classes=256))
    with pytest.raises(InputError, match='has 256 classes, at most 255 can be labelled'):
        step(model, _labels())
