"""The pre-trained backbone and the segmenter on it."""

from __future__ import annotations

import torch

from cimgen_qt.networks.backbone import CHANNELS, STAGES, EfficientNetLite0, frozen_backbone, imagenet_weights
from cimgen_qt.networks.segmenter import STRIDE, Segmenter


def test_the_backbone_is_the_published_one() -> None:
    published = torch.load(imagenet_weights(), weights_only=True)
    own = EfficientNetLite0().state_dict()
    rest = {name for name in published if name not in own}
    assert rest == {name for name in published if name.startswith(("_conv_head", "_bn1", "_fc"))}
    numbers = sum(v.numel() for n, v in published.items() if "running" not in n and "tracked" not in n)
    assert numbers == 4_652_008


def test_each_stage_halves_the_picture() -> None:
    found = frozen_backbone().features(torch.zeros(1, 3, 64, 96))
    for number, (stage, features) in enumerate(zip(STAGES, found, strict=True), start=1):
        assert features.shape == (1, CHANNELS[stage], 64 >> number, 96 >> number)
    shallow = frozen_backbone(STAGES[1]).features(torch.zeros(1, 3, 64, 96), STAGES[:2])
    assert all(torch.equal(a, b) for a, b in zip(shallow, found, strict=False))


def test_pretrained_features_tell_textures_apart() -> None:
    eye = frozen_backbone()
    random = torch.Generator().manual_seed(1)
    noise = torch.rand(1, 3, 64, 64, generator=random) * 2 - 1
    smooth = torch.linspace(-1, 1, 64)[None, None, None].expand(1, 3, 64, 64)
    again = torch.rand(1, 3, 64, 64, generator=random) * 2 - 1
    rows = [eye(x).mean((2, 3)) for x in (noise, again, smooth)]
    near, far = (torch.nn.functional.cosine_similarity(rows[0], other).item() for other in rows[1:])
    assert near > far + 0.2


def test_a_pixel_does_not_depend_on_what_else_is_in_the_batch() -> None:
    torch.manual_seed(1)
    network = Segmenter(4).train()
    assert not network.backbone.training and network.head.training
    pictures = torch.rand(2, 3, 2 * STRIDE, 3 * STRIDE) * 2 - 1
    with torch.no_grad():
        both, one = network(pictures), network(pictures[:1])
    assert both.shape == (2, 4, 2 * STRIDE, 3 * STRIDE)
    assert (both[:1] - one).abs().max() < 1e-4
