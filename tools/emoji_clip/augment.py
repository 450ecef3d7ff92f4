"""Pictures as they may come: on any background, moved, turned, mirrored, in other colours, out of focus."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional

from .model import IMAGE_SIZE

Tensor = Any
GREY = (0.299, 0.587, 0.114)


def augment(pictures: Tensor, mirror: Tensor, strength: float = 1.0) -> Tensor:
    """[n][4][96][96] uint8 RGBA, and which may be mirrored, as [n][3][64][64] of 0 to 1."""
    n = len(pictures)
    rgba = pictures.float() / 255
    alpha = rgba[:, 3:]
    moved = functional.grid_sample(
        torch.cat([rgba[:, :3] * alpha, alpha], dim=1),
        functional.affine_grid(_placements(n, mirror, strength), [n, 4, IMAGE_SIZE, IMAGE_SIZE], align_corners=False),
        align_corners=False,
    )
    colour, alpha = moved[:, :3], moved[:, 3:]
    background, dropped = _backgrounds(n)
    # An alpha channel that was dropped leaves the colour of every pixel that had any.
    hard = (alpha * 30).clamp(max=1)
    colour = torch.where(dropped, colour / alpha.clamp(min=0.02) * hard, colour)
    alpha = torch.where(dropped, hard, alpha)
    return _blur(_recolour(colour + (1 - alpha) * background, strength)).clamp(0, 1)


def _uniform(n: int, low: float, high: float) -> Tensor:
    return torch.rand(n) * (high - low) + low


def _placements(n: int, mirror: Tensor, strength: float) -> Tensor:
    """Maps from the place in the result to the place in the picture."""
    angle = _uniform(n, -1, 1) * (15 * strength * math.pi / 180) * (torch.rand(n) < 0.6)
    zoom = torch.exp(_uniform(n, math.log(0.85), math.log(1 + 0.5 * strength)))  # above 1: a smaller picture
    stretch = torch.exp(_uniform(n, -0.12, 0.12) * strength)
    shear = _uniform(n, -0.12, 0.12) * strength
    flip = torch.where(mirror & (torch.rand(n) < 0.5), -1.0, 1.0)
    room = 0.1 + (zoom - 1).clamp(min=0) * 0.7
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [
        flip * zoom * stretch * cos,
        flip * zoom * (shear - sin),
        _uniform(n, -1, 1) * room,
        zoom * sin,
        zoom / stretch * cos,
        _uniform(n, -1, 1) * room,
    ]
    return torch.stack(rows, dim=1).view(n, 2, 3)


def _backgrounds(n: int) -> tuple[Tensor, Tensor]:
    """[n][3][64][64], and where it stands for an alpha channel that was dropped [n][1][1][1]."""
    plain = torch.rand(n, 3, 1, 1)
    fields = functional.interpolate(torch.rand(n, 3, 4, 4), size=IMAGE_SIZE, mode="bilinear", align_corners=True)
    noise = plain + (torch.rand(n, 3, IMAGE_SIZE, IMAGE_SIZE) - 0.5) * _uniform(n, 0, 0.8).view(n, 1, 1, 1)
    choice = torch.rand(n, 1, 1, 1)
    result = torch.where(choice < 0.86, plain, torch.where(choice < 0.94, fields, noise))
    result = torch.where(choice < 0.66, torch.zeros(()), result)
    result = torch.where(choice < 0.42, torch.ones(()), result)
    dropped = ((choice >= 0.42) & (choice < 0.56)) | (choice < 0.04)
    return result.expand(n, 3, IMAGE_SIZE, IMAGE_SIZE), dropped


def _recolour(pictures: Tensor, strength: float) -> Tensor:
    n = len(pictures)
    grey = (pictures * torch.tensor(GREY).view(3, 1, 1)).sum(dim=1, keepdim=True)
    saturation = _uniform(n, 1 - 0.5 * strength, 1 + 0.5 * strength)
    saturation = torch.where(torch.rand(n) < 0.04, torch.zeros(()), saturation).view(n, 1, 1, 1)
    pictures = grey + (pictures - grey) * saturation
    gain = _uniform(n, 1 - 0.3 * strength, 1 + 0.2 * strength).view(n, 1, 1, 1)
    cast = 1 + (torch.rand(n, 3, 1, 1) - 0.5) * 0.16 * strength
    contrast = _uniform(n, 1 - 0.3 * strength, 1 + 0.2 * strength).view(n, 1, 1, 1)
    return ((pictures * gain * cast) - 0.5) * contrast + 0.5


def _blur(pictures: Tensor) -> Tensor:
    """Softer or sharper by chance."""
    n = len(pictures)
    soft = functional.avg_pool2d(functional.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    amount = torch.where(torch.rand(n) < 0.5, _uniform(n, -0.7, 0.9), torch.zeros(())).view(n, 1, 1, 1)
    return pictures + (soft - pictures) * amount
