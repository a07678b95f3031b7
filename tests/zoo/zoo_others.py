"""Models of diffusers, PyTorch Geometric and segmentation_models_pytorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from zoo_models import Case, Model, classes, pictures

__all__ = ["others"]

GRAPHS = ("GCN", "GraphSAGE", "GIN", "GAT", "EdgeCNN")
MASKS = ("Unet", "UnetPlusPlus", "FPN", "PSPNet", "DeepLabV3Plus", "MAnet", "Linknet")


def others() -> Iterator[Model]:
    """Diffusion, graphs, segmentation."""
    for name, make in (("UNet2D", _unet), ("UNet2DCondition", _conditioned), ("DiT", _dit), ("AutoencoderKL", _vae)):
        yield Model(name, "diffusers", make)
    for name in GRAPHS:
        yield Model(name, "torch_geometric", lambda name=name: _graph(name))
    yield Model("SchNet", "torch_geometric", _schnet)
    for name in MASKS:
        yield Model(name, "segmentation_models_pytorch", lambda name=name: _masks(name))


def _noise(output: Any, targets: Tensor) -> Tensor:
    return functional.mse_loss(output.sample, targets)


def _unet() -> Case:
    from diffusers import UNet2DModel

    model = UNet2DModel(sample_size=32, block_out_channels=(64, 128, 256, 256), layers_per_block=1)
    x = pictures(4, 32)
    return Case(model, (x, torch.arange(4) * 100), pictures(4, 32), _noise)


def _conditioned() -> Case:
    from diffusers import UNet2DConditionModel

    model = UNet2DConditionModel(
        sample_size=32, block_out_channels=(64, 128, 256, 256), layers_per_block=1, cross_attention_dim=256
    )
    x, text = pictures(2, 32, 4), torch.randn(2, 16, 256)
    return Case(model, (x, torch.tensor([10, 500]), text), pictures(2, 32, 4), _noise)


def _dit() -> Case:
    from diffusers import DiTTransformer2DModel

    model = DiTTransformer2DModel(
        num_attention_heads=6, attention_head_dim=64, in_channels=4, out_channels=4, num_layers=6, sample_size=16
    )
    inputs = {
        "hidden_states": pictures(4, 16, 4),
        "timestep": torch.arange(4) * 100,
        "class_labels": torch.arange(4),
    }
    return Case(model, inputs, pictures(4, 16, 4), _noise)


def _vae() -> Case:
    from diffusers import AutoencoderKL

    blocks = 3
    model = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        block_out_channels=(64, 128, 256),
    )
    x = pictures(2, 32)
    return Case(model, x, x, _noise)


def _nodes() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(200, 64, generator=generator)
    edges = torch.randint(0, 200, (2, 1200), generator=generator)
    return x, edges, classes(200, 7)


def _graph(name: str) -> Case:
    from torch_geometric import nn

    x, edges, targets = _nodes()
    return Case(getattr(nn, name)(64, 256, 3, 7), (x, edges), targets, functional.cross_entropy)


def _schnet() -> Case:
    from torch_geometric import nn

    generator = torch.Generator().manual_seed(3)
    places = torch.randn(60, 3, generator=generator) * 2
    numbers = torch.randint(1, 9, (60,), generator=generator)
    batch = torch.arange(60) // 10
    edges = torch.stack([torch.arange(60).repeat_interleave(9), _others_of(60, 10)])

    class Fixed(torch.nn.Module):
        """SchNet looks for neighbours by a compiled library; here all atoms of a molecule are."""

        def forward(self, positions: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
            return edges, (positions[edges[0]] - positions[edges[1]]).norm(dim=-1)

    model = nn.SchNet(hidden_channels=128, num_filters=128, num_interactions=4, interaction_graph=Fixed())
    return Case(model, (numbers, places, batch), torch.randn(6, 1, generator=generator), functional.mse_loss)


def _others_of(atoms: int, molecule: int) -> Tensor:
    rows = [[other for other in range(molecule) if other != own % molecule] for own in range(atoms)]
    return torch.tensor([other + own // molecule * molecule for own, row in enumerate(rows) for other in row])


def _masks(name: str) -> Case:
    import segmentation_models_pytorch as library

    model = getattr(library, name)("resnet18", encoder_weights=None, classes=4).train()
    x = pictures(4, 64)
    targets = torch.randint(0, 4, (4, 64, 64), generator=torch.Generator().manual_seed(4))
    loss: Callable[..., Tensor] = functional.cross_entropy
    return Case(model, x, targets, loss)
