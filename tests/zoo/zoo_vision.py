"""Models of torchvision and timm, at small pictures, otherwise as they are."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from zoo_models import Case, Model, classes, cross_entropy, pictures

__all__ = ["importable", "vision"]

TORCHVISION: dict[str, int] = {
    "alexnet": 96,
    "convnext_tiny": 64,
    "densenet121": 64,
    "efficientnet_b0": 64,
    "mobilenet_v2": 64,
    "mobilenet_v3_small": 64,
    "regnet_y_400mf": 64,
    "resnet18": 64,
    "resnet50": 64,
    "shufflenet_v2_x1_0": 64,
    "squeezenet1_1": 96,
    "swin_t": 64,
    "vgg11_bn": 64,
    "vit_b_16": 64,
}
TIMM: dict[str, int] = {
    "cait_xxs24_224": 64,
    "convmixer_768_32": 32,
    "convnext_atto": 64,
    "deit_tiny_distilled_patch16_224": 64,
    "edgenext_xx_small": 64,
    "efficientnet_b0": 64,
    "fastvit_t8": 64,
    "ghostnet_100": 64,
    "gmlp_ti16_224": 64,
    "inception_next_atto": 64,
    "levit_128s": 224,
    "mixer_s16_224": 64,
    "mobilenetv3_small_100": 64,
    "nf_resnet26": 64,
    "regnetx_002": 64,
    "repvgg_a0": 64,
    "resmlp_12_224": 64,
    "resnet26": 64,
    "resnetv2_50": 64,
    "twins_pcpvt_small": 64,
    "vit_tiny_patch16_224": 64,
    "xcit_nano_12_p16_224": 64,
}
_OPERATORS = ("nms", "qnms")


def vision() -> Iterator[Model]:
    """Classifiers of images."""
    for name, size in TORCHVISION.items():
        yield Model(f"{name}", "torchvision", lambda name=name, size=size: _torchvision(name, size))
    for name, size in TIMM.items():
        yield Model(f"{name}", "timm", lambda name=name, size=size: _timm(name, size))


def importable() -> None:
    """Declare the operators that torchvision's compiled part would.

    The one on PyPI is built for CUDA and does not load beside PyTorch for the CPU; detection alone needs it, but the
    import fails without the declarations.
    """
    for name in _OPERATORS:
        if not hasattr(torch.ops.torchvision, name):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def _torchvision(name: str, size: int) -> Case:
    from torchvision import models

    given = {"image_size": size} if name.startswith("vit") else {}
    model = models.get_model(name, weights=None, num_classes=10, **given)
    return Case(model.train(), pictures(size=size), classes(), cross_entropy)


def _timm(name: str, size: int) -> Case:
    import timm

    try:
        model = timm.create_model(name, pretrained=False, num_classes=10, img_size=size)
    except TypeError:  # convolutions take any size
        model = timm.create_model(name, pretrained=False, num_classes=10)
    return Case(model.train(), pictures(size=size), classes(), cross_entropy)
