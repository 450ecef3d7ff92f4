"""The two towers, as functions of tensors that have the names and shapes of the model file (docs/model-files.md)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional

from .vocabulary import CONTEXT, N_VOCAB

Tensor = Any
Parameters = dict[str, Any]

IMAGE_SIZE, PATCH = 64, 8
GRID = IMAGE_SIZE // PATCH
VISION_WIDTH, VISION_LAYERS, VISION_HEADS = 192, 6, 3
TEXT_WIDTH, TEXT_LAYERS, TEXT_HEADS = 128, 4, 2
PROJECTION = 128
EPSILON = 1e-5
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
MAX_LOGIT_SCALE = 100.0


def new_parameters(seed: int) -> Parameters:
    """CLIP's initialisation, but the vision tower starts with places it can tell apart."""
    random = torch.Generator().manual_seed(seed)

    def normal(*shape: int, std: float) -> Tensor:
        return torch.randn(*shape, generator=random) * std

    made: Parameters = {
        "v.class_embd": normal(VISION_WIDTH, std=VISION_WIDTH**-0.5),
        "v.patch_embd.weight": normal(VISION_WIDTH, 3 * PATCH * PATCH, std=0.5 * (3 * PATCH * PATCH) ** -0.5),
        "v.position_embd.weight": _waves(),
        "t.token_embd.weight": normal(N_VOCAB, TEXT_WIDTH, std=0.02),
        "t.position_embd.weight": normal(CONTEXT, TEXT_WIDTH, std=0.01),
        "visual_projection.weight": normal(PROJECTION, VISION_WIDTH, std=VISION_WIDTH**-0.5),
        "text_projection.weight": normal(PROJECTION, TEXT_WIDTH, std=TEXT_WIDTH**-0.5),
        "logit_scale": torch.tensor(math.log(1 / 0.07)),
    }

    def norm(name: str, width: int) -> None:
        made[f"{name}.weight"], made[f"{name}.bias"] = torch.ones(width), torch.zeros(width)

    def linear(name: str, n: int, k: int, std: float) -> None:
        made[f"{name}.weight"], made[f"{name}.bias"] = normal(n, k, std=std), torch.zeros(n)

    norm("v.pre_ln", VISION_WIDTH)
    for tower, width, layers in (("v", VISION_WIDTH, VISION_LAYERS), ("t", TEXT_WIDTH, TEXT_LAYERS)):
        norm(f"{tower}.post_ln", width)
        out = width**-0.5 * (2 * layers) ** -0.5
        for layer in range(layers):
            block = f"{tower}.blk.{layer}"
            norm(f"{block}.ln1", width)
            norm(f"{block}.ln2", width)
            for name in ("attn_q", "attn_k", "attn_v"):
                linear(f"{block}.{name}", width, width, width**-0.5)
            linear(f"{block}.attn_out", width, width, out)
            linear(f"{block}.ffn_up", 4 * width, width, (2 * width) ** -0.5)
            linear(f"{block}.ffn_down", width, 4 * width, out)
    return made


def _waves() -> Tensor:
    """Sines and cosines of the row and of the column; nothing for the class token."""
    frequencies = torch.logspace(0, -2, VISION_WIDTH // 4) * math.pi / 2
    phases = torch.arange(GRID)[:, None] * frequencies
    waves = torch.cat([phases.sin(), phases.cos()], dim=1)
    places = torch.cat([waves[:, None].expand(-1, GRID, -1), waves[None].expand(GRID, -1, -1)], dim=2)
    return torch.cat([torch.zeros(1, VISION_WIDTH), places.reshape(GRID * GRID, VISION_WIDTH)])


def _norm(p: Parameters, name: str, x: Tensor) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], p[f"{name}.weight"], p[f"{name}.bias"], EPSILON)


def _linear(p: Parameters, name: str, x: Tensor) -> Tensor:
    return functional.linear(x, p[f"{name}.weight"], p[f"{name}.bias"])


def _block(p: Parameters, name: str, x: Tensor, heads: int, causal: bool) -> Tensor:
    n, tokens, width = x.shape
    normed = _norm(p, f"{name}.ln1", x)
    weight = torch.cat([p[f"{name}.attn_{part}.weight"] for part in "qkv"])
    bias = torch.cat([p[f"{name}.attn_{part}.bias"] for part in "qkv"])
    qkv = functional.linear(normed, weight, bias).view(n, tokens, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
    mixed = functional.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], is_causal=causal)
    x = x + _linear(p, f"{name}.attn_out", mixed.transpose(1, 2).reshape(n, tokens, width))
    hidden = _linear(p, f"{name}.ffn_up", _norm(p, f"{name}.ln2", x))
    return x + _linear(p, f"{name}.ffn_down", hidden * torch.sigmoid(1.702 * hidden))


def encode_image(p: Parameters, pixels: Tensor, patches_kept: int = GRID * GRID) -> Tensor:
    """Embeddings, not normalised, of normalised pixels [n][3][64][64]; training may drop patches by chance."""
    n = len(pixels)
    # Columns of the patch matrix are (y * patch + x) * 3 + channel.
    patches = pixels.view(n, 3, GRID, PATCH, GRID, PATCH).permute(0, 2, 4, 3, 5, 1).reshape(n, GRID * GRID, -1)
    positions = p["v.position_embd.weight"]
    tokens = functional.linear(patches, p["v.patch_embd.weight"]) + positions[1:]
    if patches_kept < GRID * GRID:
        kept = torch.rand(n, GRID * GRID).argsort(dim=1)[:, :patches_kept]
        tokens = tokens.gather(1, kept[:, :, None].expand(-1, -1, VISION_WIDTH))
    first = (p["v.class_embd"] + positions[0]).expand(n, 1, -1)
    x = _norm(p, "v.pre_ln", torch.cat([first, tokens], dim=1))
    for layer in range(VISION_LAYERS):
        x = _block(p, f"v.blk.{layer}", x, VISION_HEADS, False)
    return functional.linear(_norm(p, "v.post_ln", x[:, 0]), p["visual_projection.weight"])


def encode_text(p: Parameters, sequences: list[list[int]]) -> Tensor:
    """Embeddings, not normalised, of token sequences with start and end."""
    longest = max(map(len, sequences))
    ids = torch.tensor([one + [0] * (longest - len(one)) for one in sequences])
    last = torch.tensor([len(one) - 1 for one in sequences])
    x = functional.embedding(ids, p["t.token_embd.weight"]) + p["t.position_embd.weight"][:longest]
    for layer in range(TEXT_LAYERS):
        x = _block(p, f"t.blk.{layer}", x, TEXT_HEADS, True)
    x = x[torch.arange(len(ids)), last]
    return functional.linear(_norm(p, "t.post_ln", x), p["text_projection.weight"])


def logit_scale(p: Parameters) -> Tensor:
    return p["logit_scale"].exp().clamp(max=MAX_LOGIT_SCALE)


def normalise_pixels(pixels: Tensor) -> Tensor:
    """[n][3][64][64] of 0 to 1 as the model wants them."""
    return (pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
