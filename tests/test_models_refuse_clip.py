"""CLIP checkpoints that are refused: what cannot be represented, and what is damaged, by field, tensor and value."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoint_writers import (
    Tensors,
    p_dict,
    p_tensor,
    pickle_bytes,
    safetensors_bytes,
    state_dict,
    write_torch_zip,
)
from clip_checkpoints import (
    SiglipModel,
    openclip_model,
    small,
    write_openai_clip,
    write_openclip,
    write_siglip,
    write_transformers_clip,
)

from pyffi.errors import ModelError
from pyffi.models import convert


def converted(source: Path) -> None:
    convert(source, source.parent / f"{source.name}.out.gguf", weight_type="f32")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "siglip2"}, "model_type is 'siglip2': 'whisper', 'clip', .*'siglip'.* are supported"),
        ({"model_type": "chinese_clip"}, "model_type is 'chinese_clip'"),
        ({"vision_config": {"hidden_act": "relu"}}, "vision_config: hidden_act is 'relu': 'quick_gelu', 'gelu'"),
        ({"vision_config": {"hidden_act": "gelu"}}, "hidden_act of the towers is .*: it has to be the same"),
        ({"vision_config": {"num_channels": 4}}, "vision_config: num_channels is 4: 3 is supported"),
        ({"vision_config": {"num_attention_heads": 5}}, "image width is 32, which its 5 heads do not divide"),
        ({"vision_config": {"patch_size": [16, 16]}}, r"patch_size is \[16, 16\]: an integer is needed"),
        ({"vision_config": {"image_size": 48}}, "size is .*: image_size of config.json, 48, is needed"),
        ({"vision_config": {"layer_norm_eps": "small"}}, "layer_norm_eps is 'small': a number is needed"),
        ({"vision_config": "big"}, "vision_config is 'big': an object is needed"),
        ({"text_config": {"vocab_size": 100}}, "t.token_embd.weight has shape|530 tokens: vocab_size is 100"),
        ({"text_config": {"eos_token_id": 5}}, r"eos_token_id is 5: the id of <\|endoftext\|>, 529, is needed"),
        ({"text_config": {"num_hidden_layers": 0}}, "text layers is 0: 1 to 256 is supported"),
        ({"text_config": {"max_position_embeddings": 10**9}}, "text context_length is 1000000000"),
        ({"projection_dim": 23}, r"_projection.weight has shape \[24, \d+\]: \[23, \d+\] is needed"),
    ],
)
def test_every_field_of_a_configuration_is_checked(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    write_transformers_clip(tmp_path / "hf", small(), config=changes)
    with pytest.raises(ModelError, match=message) as caught:
        converted(tmp_path / "hf")
    assert str(tmp_path / "hf") in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"do_resize": False}, "do_resize is False: True is supported"),
        ({"do_rescale": False}, "do_rescale is False"),
        ({"do_normalize": False}, "do_normalize is False"),
        ({"rescale_factor": 1 / 127.5}, "rescale_factor is .*: 1/255 is supported"),
        ({"do_center_crop": False}, "do_center_crop is False: with size.shortest_edge, true is needed"),
        ({"resample": 1}, "resample is 1: 2, 3 are supported"),
        ({"size": {"shortest_edge": 40}}, "size is {'shortest_edge': 40}: image_size of config.json, 32, is needed"),
        ({"size": {"height": 32, "width": 40, "shortest_edge": ...}}, "size is .*: height and width have to be equal"),
        ({"size": {"longest_edge": 32, "shortest_edge": ...}}, "size is {'longest_edge': 32}"),
        ({"crop_size": 24}, "crop_size is 24: image_size of config.json, 32, is needed"),
        ({"image_mean": [0.5]}, r"image_mean is \[0.5\]: 3 numbers are needed"),
        ({"image_std": [1, 1, 0]}, "image std is .*: finite numbers are needed, of std positive ones"),
        ({"feature_extractor_type": "ViTFeatureExtractor"}, "feature_extractor_type is 'ViTFeatureExtractor'"),
        ({"image_processor_type": "LlavaImageProcessor"}, "image_processor_type is 'LlavaImageProcessor'"),
    ],
)
def test_every_way_of_preparing_pictures_that_cannot_be_had_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    write_transformers_clip(tmp_path / "hf", small(), preprocessor=changes)
    with pytest.raises(ModelError, match=message) as caught:
        converted(tmp_path / "hf")
    assert "preprocessor_config.json" in str(caught.value) or "image std" in message


def test_a_preprocessor_that_is_missing_is_named(tmp_path: Path) -> None:
    (write_transformers_clip(tmp_path / "hf", small()) / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match=r"preprocessor_config.json is missing, which says how pictures"):
        converted(tmp_path / "hf")


def test_siglip_without_its_pooling_is_refused(tmp_path: Path) -> None:
    write_siglip(tmp_path / "siglip", SiglipModel(), config={"vision_config": {"vision_use_head": False}})
    with pytest.raises(ModelError, match="vision_use_head is False: True is supported"):
        converted(tmp_path / "siglip")
    write_siglip(tmp_path / "pad", SiglipModel(), config={"text_config": {"pad_token_id": 300}})
    with pytest.raises(ModelError, match="the pad token 300 is not one of 300 tokens"):
        converted(tmp_path / "pad")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"multimodal_cfg": {"width": 8}}, "model_cfg: multimodal_cfg is"),
        ({"vision_cfg": {"timm_model_name": "vit_base"}}, "vision_cfg: timm_model_name is 'vit_base': None is supp"),
        ({"vision_cfg": {"layers": [3, 4, 6, 3]}}, r"layers is \[3, 4, 6, 3\]: a ResNet"),
        ({"vision_cfg": {"attentional_pool": True}}, "attentional_pool is True"),
        ({"vision_cfg": {"final_ln_after_pool": True}}, "final_ln_after_pool is True"),
        ({"vision_cfg": {"pool_type": "none"}}, "pool_type is 'none': 'tok', 'avg' are supported"),
        ({"vision_cfg": {"ls_init_value": 0.1}}, "vision_cfg: ls_init_value is 0.1"),
        ({"vision_cfg": {"qk_norm": True}}, "vision_cfg: qk_norm is True"),
        ({"vision_cfg": {"image_size": [32, 48]}}, r"image_size is \[32, 48\]: one number, or two equal ones"),
        ({"vision_cfg": {"head_width": 0}}, "head_width is 0"),
        ({"vision_cfg": {"act_kwargs": {"approximate": "tanh"}}}, "the activations of the towers are"),
        ({"text_cfg": {"hf_model_name": "roberta"}}, "text_cfg: hf_model_name is 'roberta'"),
        ({"text_cfg": {"hf_tokenizer_name": "google/mt5"}}, "text_cfg: hf_tokenizer_name is 'google/mt5'"),
        ({"text_cfg": {"tokenizer_kwargs": {"clean": "canonicalize"}}}, "tokenizer_kwargs is .*canonicalize"),
        ({"text_cfg": {"embed_cls": True}}, "embed_cls is True"),
        ({"text_cfg": {"pool_type": "eos"}}, "pool_type is 'eos': 'argmax', 'last' are supported"),
        ({"text_cfg": {"proj_type": "mlp"}}, "proj_type is 'mlp': 'linear', 'none' are supported"),
        ({"text_cfg": {"scale_fc": True}}, "text_cfg: scale_fc is True"),
    ],
)
def test_models_of_openclip_with_other_parts_are_refused_by_the_field(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    write_openclip(tmp_path / "open", openclip_model(), config={"model_cfg": changes})
    with pytest.raises(ModelError, match=message) as caught:
        converted(tmp_path / "open")
    assert str(tmp_path / "open") in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resize_mode": "longest"}, "preprocess_cfg: resize_mode is 'longest': 'shortest', 'squash' are supported"),
        ({"interpolation": "lanczos"}, "interpolation is 'lanczos'"),
        ({"size": 48}, "size is 48: image_size, 32, is needed"),
        ({"mode": "L"}, "mode is 'L': 'RGB' is supported"),
        ({"mean": [1]}, r"mean is \[1\]: 3 numbers are needed"),
    ],
)
def test_pictures_that_openclip_prepares_otherwise_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    write_openclip(tmp_path / "open", openclip_model(), config={"preprocess_cfg": changes})
    with pytest.raises(ModelError, match=message):
        converted(tmp_path / "open")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("visual.layer1.0.conv1.weight", "a ResNet as image tower"),
        ("visual.trunk.patch_embed.proj.weight", "an image tower of timm"),
        ("visual.attn_pool.query", r"an attentional pooler \(CoCa\)"),
        ("text_decoder.ln_final.weight", r"a text decoder \(CoCa\)"),
        ("text.cls_emb", "a class token in its text tower"),
        ("text.transformer.encoder.layer.0.attention.self.query.weight", "a text tower of transformers"),
        ("visual.transformer.resblocks.0.ls_1.gamma", "layer scale"),
        ("visual.adapter.weight", "1 tensors do not belong to a CLIP model, such as visual.adapter.weight"),
    ],
)
def test_models_with_other_parts_are_refused_by_the_tensor(tmp_path: Path, name: str, message: str) -> None:
    def add(tensors: Tensors) -> None:
        tensors[name] = np.zeros(4, np.float32)

    write_openclip(tmp_path / "open", openclip_model(), change=add)
    with pytest.raises(ModelError, match=message) as caught:
        converted(tmp_path / "open")
    assert name in str(caught.value)


def test_missing_surplus_and_misshapen_tensors_are_named(tmp_path: Path) -> None:
    def scale(*values: float) -> Callable[[Tensors], object]:
        return lambda tensors: tensors.update({"logit_scale": np.array(values, np.float32)})

    cases: list[tuple[Callable[[Tensors], object], str]] = [
        (lambda t: t.pop("vision_model.pre_layrnorm.bias"), "1 tensors are missing, such as v.pre_ln.bias"),
        (lambda t: t.pop("text_model.encoder.layers.0.mlp.fc1.bias"), "missing, such as t.blk.0.ffn_up.bias"),
        (lambda t: t.pop("visual_projection.weight"), "missing, such as visual_projection.weight"),
        (lambda t: t.update({"lora.weight": np.zeros((2, 2), np.float32)}), "do not belong to a CLIP model.*lora"),
        (
            lambda t: t.update({"vision_model.embeddings.class_embedding": np.zeros(33, np.float32)}),
            r"v.class_embd has shape \[33\]: \[32\] is needed",
        ),
        (scale(0, 0), r"logit_scale has shape \[2\]: one number is needed"),
        (scale(np.nan), r"logit_scale has the value nan at \[0\]"),
        (scale(1000), "logit_scale has the value 1000.0: an exponent of at most 80 is supported"),
    ]
    for i, (change, message) in enumerate(cases):
        write_transformers_clip(tmp_path / f"{i}", small(), change=change)
        with pytest.raises(ModelError, match=message):
            converted(tmp_path / f"{i}")

    def cut(tensors: Tensors) -> None:
        name = "visual.transformer.resblocks.0.attn.in_proj_weight"
        tensors[name] = tensors[name][:-1]

    write_openclip(tmp_path / "cut", openclip_model(), change=cut)
    with pytest.raises(ModelError, match=r"v.blk.0.attn_[qkv].weight has shape \[3[13], 32\]: \[32, 32\] is needed"):
        converted(tmp_path / "cut")


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    ("name", "place"),
    [
        (
            "vision_model.embeddings.patch_embedding.weight",
            r"v.patch_embd.weight has the value \S+ at \[31, 2, 15, 15\]",
        ),
        ("text_model.encoder.layers.0.mlp.fc2.weight", r"t.blk.0.ffn_down.weight has the value \S+ at \[15, 31\]"),
        ("text_model.final_layer_norm.bias", r"t.post_ln.bias has the value \S+ at \[15\]"),
    ],
)
def test_values_that_are_not_finite_are_refused_with_their_place(
    tmp_path: Path, name: str, place: str, value: float
) -> None:
    def spoil(tensors: Tensors) -> None:
        tensors[name] = tensors[name].copy()
        tensors[name].flat[-1] = value

    write_transformers_clip(tmp_path / "hf", small(), change=spoil)
    with pytest.raises(ModelError, match=place) as caught:
        converted(tmp_path / "hf")
    assert str(tmp_path / "hf") in str(caught.value)
    assert list(tmp_path.glob("*gguf*")) == []


def test_vocabularies_that_are_not_clips_are_refused(tmp_path: Path) -> None:
    folder = write_transformers_clip(tmp_path / "hf", small())
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    model, ids = tokenizer["model"], tokenizer["model"]["vocab"]
    gap = {token: i + (i > 99) for token, i in ids.items()}
    foreign = {("日" if i == 9 else token): i for token, i in ids.items()}
    endless = {token: i for token, i in ids.items() if token != "<|endoftext|>"}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"type": "Unigram"}, "type is 'Unigram': 'BPE' is supported"),
        ({"end_of_word_suffix": None}, "end_of_word_suffix is None: '</w>' is supported"),
        ({"vocab": gap}, "the vocabulary of 530 tokens has none with the id 100"),
        ({"vocab": foreign}, "'日', which no byte has"),
        ({"vocab": endless}, r"the vocabulary of 529 tokens has no <\|endoftext\|>"),
        ({"merges": []}, "tokenizer.json has no merges"),
        ({"merges": [["a"]]}, r"the merge \['a'\] is not a pair of tokens"),
        ({"merges": ["q q"]}, "the merge 'q q' is not of two tokens that make a third"),
    ]
    for changes, message in cases:
        (folder / "tokenizer.json").write_text(json.dumps({"model": model | changes}))
        with pytest.raises(ModelError, match=message):
            converted(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="OpenAI's own vocabulary has 49408 tokens, but vocab_size is 530"):
        converted(folder)
    (folder / "vocab.json").write_text(json.dumps(ids))
    (folder / "merges.txt").write_bytes(b"\xff")
    with pytest.raises(ModelError, match=r"merges.txt is not UTF-8"):
        converted(folder)


def test_torchscript_archives_are_refused_with_the_remedy(tmp_path: Path) -> None:
    write_openai_clip(tmp_path / "ViT-B-32.pt", small())
    with zipfile.ZipFile(tmp_path / "ViT-B-32.pt", "a") as archive:
        archive.writestr("archive/constants.pkl", b"")
        archive.writestr("archive/code/__torch__.py", "")
    with pytest.raises(ModelError, match=r"is a TorchScript archive, .*torch.save\(torch.jit.load\(path\).state_dict"):
        converted(tmp_path / "ViT-B-32.pt")


def test_a_state_dict_whose_activation_nobody_tells_is_refused(tmp_path: Path) -> None:
    def single(tensors: Tensors) -> None:
        tensors["visual.conv1.weight"] = tensors["visual.conv1.weight"].astype(np.float32)

    write_openai_clip(tmp_path / "vit.pt", small(), change=single)
    with pytest.raises(ModelError, match=r"vit.pt has no open_clip_config.json beside it, which says the activation"):
        converted(tmp_path / "vit.pt")
    write_openai_clip(tmp_path / "cut.pt", small(), change=lambda tensors: tensors.pop("ln_final.weight"))
    with pytest.raises(ModelError, match=r"has no ln_final.weight with 1 dimensions: not one of OpenAI's"):
        converted(tmp_path / "cut.pt")
    resnet = np.zeros(4, np.float16)
    write_torch_zip(tmp_path / "RN50.pt", pickle_bytes(state_dict([("visual.layer1.w", "0", resnet)])), [resnet])
    with pytest.raises(ModelError, match="a ResNet as image tower"):
        converted(tmp_path / "RN50.pt")
    write_torch_zip(tmp_path / "other.pt", pickle_bytes(p_dict({"weight": p_tensor("0", resnet)})), [resnet])
    with pytest.raises(ModelError, match=r"no dims and model_state_dict, .* and no visual.conv1.weight"):
        converted(tmp_path / "other.pt")
    (tmp_path / "other.safetensors").write_bytes(safetensors_bytes({"weight": ("F16", resnet)}))
    with pytest.raises(ModelError, match=r"has no visual.conv1.weight: not a CLIP model"):
        converted(tmp_path / "other.safetensors")


def test_clip_cannot_become_a_file_of_whisper_cpp(tmp_path: Path) -> None:
    write_transformers_clip(tmp_path / "hf", small())
    with pytest.raises(ModelError, match=r"out.bin would be a file of whisper.cpp, which holds no CLIP: name it .gguf"):
        convert(tmp_path / "hf", tmp_path / "out.bin")
    assert not (tmp_path / "out.bin").exists()
