"""Converters of CLIP: every format gives the same GGUF, and whatever is wrong with a checkpoint is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from checkpoint_writers import (
    Tensors,
    from_bfloat16,
    safetensors_bytes,
    to_bfloat16,
)
from clip_checkpoints import (
    ClipModel,
    SiglipModel,
    openclip_model,
    our_names,
    seeded,
    small,
    write_clip_cpp,
    write_openai_clip,
    write_openclip,
    write_siglip,
    write_transformers_clip,
)
from clip_files import MEAN, MERGES, STD
from gguf_reader import read_gguf
from model_files import ARRAY, BOOL, F32, STRING, U32, GgufTensor, GgufValue, panels

from pyffi.errors import ModelError
from pyffi.models import Provenance, convert
from pyffi.models.gguf import WeightType

FIXTURES = Path(__file__).parent / "fixtures"
F32_MEAN, F32_STD = ([float(np.float32(value)) for value in values] for values in (MEAN, STD))


def converted(source: Path, weight_type: WeightType = "f32") -> tuple[dict[str, Any], Tensors]:
    """Keys and tensors of what a checkpoint becomes."""
    target = source.parent / f"{source.name}.{weight_type}.gguf"
    convert(source, target, weight_type=weight_type, provenance=Provenance("tiny", "a test", "MIT"))
    return read_gguf(target)


def assert_holds(tensors: Tensors, expected: Tensors, dtype: str = "float32") -> None:
    """The file has exactly these weights, matrices in `dtype` panels."""
    assert tensors.keys() == expected.keys()
    for name, values in expected.items():
        stored = values.astype(np.float32)
        if values.ndim == 4:
            stored = panels(values.transpose(0, 2, 3, 1).reshape(len(values), -1)).astype(dtype)
        elif values.ndim == 2 and "position_embd" not in name:
            stored = panels(values).astype(dtype)
        assert tensors[name].dtype == stored.dtype, name
        np.testing.assert_array_equal(tensors[name], stored, err_msg=name)


def expected_keys(model: ClipModel, **changes: Any) -> dict[str, Any]:
    """All keys of a file of the model, as a transformers checkpoint gives it. Underscores of `changes` are dots, two of
    them an underscore."""
    keys: dict[str, Any] = {
        "general.architecture": "clip", "general.name": "tiny", "general.source": "a test", "general.license": "MIT",
        "general.alignment": 64, "multimodal.layout": "panel16", "clip.has_vision_encoder": True,
        "clip.has_text_encoder": True, "clip.use_gelu": model.activation != "quick_gelu",
        "clip.activation": model.activation, "clip.logit_scale": float(np.float32(np.exp(float(np.float32(4.6052))))),
        "clip.logit_bias": 0.0, "clip.loss": "softmax", "clip.vision.image_size": model.vision[4],
        "clip.vision.patch_size": model.vision[5], "clip.vision.image_mean": F32_MEAN, "clip.vision.image_std": F32_STD,
        "clip.vision.resize": "shortest", "clip.vision.interpolation": "bicubic", "clip.vision.crop": "floor",
        "clip.vision.exif_orientation": False, "clip.vision.pooling": "cls",
        "clip.text.context_length": model.context_length, "clip.text.vocab_size": len(model.tokens),
        "clip.text.pooling": "eot", "clip.text.causal": True, "clip.text.pad": False, "clip.text.pad_token_id": 0,
        "tokenizer.ggml.model": "clip", "tokenizer.ggml.tokens": model.tokens, "tokenizer.ggml.merges": model.merges,
    }  # fmt: skip
    for section, sizes in (("vision", model.vision), ("text", model.text)):
        names = ("embedding_length", "block_count", "attention.head_count", "feed_forward_length")
        keys |= {f"clip.{section}.{name}": size for name, size in zip(names, sizes, strict=False)}
        keys[f"clip.{section}.attention.layer_norm_epsilon"] = float(np.float32(model.epsilon))
        keys[f"clip.{section}.projection_dim"] = model.projection_dim
    return keys | {name.replace("_", ".").replace("..", "_"): value for name, value in changes.items()}


def test_the_seeded_models_have_the_tensors_that_the_reference_was_made_with() -> None:
    reference = json.loads((FIXTURES / "clip_reference.json").read_text())["tensors"]
    for name in ("tiny-quickgelu", "tiny-gelu", "vit-b-32"):
        assert {key: list(shape) for key, shape in seeded(name).shapes()} == reference[name]


# ---- The same weights from every format ------------------------------------------------------------------------------

FORMS: dict[str, Callable[[Path, ClipModel], object]] = {
    "transformers": write_transformers_clip,
    "transformers-shards": lambda path, model: write_transformers_clip(path, model, shards=3, tokenizer="vocab.json"),
    "transformers-pickled": lambda path, model: write_transformers_clip(path, model, pickled=True, tokenizer="none"),
    "openclip": write_openclip,
    "openclip-pickled": lambda path, model: write_openclip(path, model, pickled=True),
    "openclip-nested": lambda path, model: write_openclip(path, model, nested=True),
    "clip.cpp": write_clip_cpp,
    "llama.cpp": lambda path, model: write_clip_cpp(path, model, swapped=False),
}


@pytest.mark.parametrize("name", ["tiny-quickgelu", "tiny-gelu"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_model_gives_the_same_tensors_and_all_keys(tmp_path: Path, form: str, name: str) -> None:
    model = seeded(name)
    FORMS[form](tmp_path / "source", model)
    keys, tensors = converted(tmp_path / "source")
    assert_holds(tensors, our_names(model.tensors))
    changes: dict[str, Any] = {"clip_vision_crop": "half_even"} if form.startswith("openclip") else {}
    if form.endswith(".cpp"):
        changes["clip_logit__scale"] = 100.0  # which these files do not have
    assert keys == expected_keys(model, **changes)


def test_the_reference_reader_sees_the_same_file_and_aligned_tensors(tmp_path: Path) -> None:
    ours = converted(write_transformers_clip(tmp_path / "hf", small()))
    reader = gguf.GGUFReader(tmp_path / "hf.f32.gguf")
    metadata = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    assert metadata == ours[0]
    types = {name: field.types[0].name for name, field in reader.fields.items()}
    assert (types["clip.text.causal"], types["clip.logit_scale"]) == ("BOOL", "FLOAT32")
    assert types["clip.vision.image_size"] == "UINT32"
    assert {tensor.data_offset % 64 for tensor in reader.tensors} == {0}
    for tensor in reader.tensors:
        np.testing.assert_array_equal(tensor.data, ours[1][tensor.name])


@pytest.mark.parametrize("kind", ["F16", "BF16"])
def test_half_precision_is_kept_exactly(tmp_path: Path, kind: str) -> None:
    rounded: Callable[[Any], Any] = {
        "F16": lambda values: values.astype(np.float16).astype(np.float32),
        "BF16": lambda values: from_bfloat16(to_bfloat16(values)),
    }[kind]
    expected = our_names({name: rounded(values) for name, values in small().tensors.items()})
    write_transformers_clip(tmp_path / "hf", small(), kind)
    assert_holds(converted(tmp_path / "hf", "same")[1], expected, "float16" if kind == "F16" else "float32")
    write_openclip(tmp_path / "open", replace(small(), merges=seeded("tiny-gelu").merges), kind)
    keys, _ = converted(tmp_path / "open", "same")
    scale = float(rounded(np.float32(4.6052)))
    assert keys["clip.logit_scale"] == float(np.float32(np.exp(scale)))


def test_f16_is_the_default_and_rounds_matrices_only(tmp_path: Path) -> None:
    write_transformers_clip(tmp_path / "hf", small())
    convert(tmp_path / "hf", tmp_path / "hf.gguf")
    assert_holds(read_gguf(tmp_path / "hf.gguf")[1], our_names(small().tensors), "float16")


def test_a_value_too_large_for_f16_is_refused_by_name_and_f32_offered(tmp_path: Path) -> None:
    def spoil(tensors: Tensors) -> None:
        tensors["visual_projection.weight"] = tensors["visual_projection.weight"] + 70000

    write_transformers_clip(tmp_path / "hf", small(), change=spoil)
    with pytest.raises(ModelError, match=r"visual_projection.weight has the value 7\d+.*--dtype f32"):
        converted(tmp_path / "hf", "f16")
    assert list(tmp_path.glob("*gguf*")) == []
    converted(tmp_path / "hf", "f32")


@pytest.mark.parametrize("dtype", ["f16", "f32"])
def test_our_own_files_are_read_back(tmp_path: Path, dtype: WeightType) -> None:
    write_siglip(tmp_path / "siglip", SiglipModel())
    write_transformers_clip(tmp_path / "clip", small())
    for name in ("siglip", "clip"):
        given = converted(tmp_path / name, dtype)
        convert(tmp_path / f"{name}.{dtype}.gguf", tmp_path / "again.gguf", weight_type="same")
        again = read_gguf(tmp_path / "again.gguf")
        assert again[0] == given[0]
        assert again[1].keys() == given[1].keys()
        for tensor, values in given[1].items():
            assert again[1][tensor].tobytes() == values.tobytes(), tensor


# ---- transformers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tokenizer", ["tokenizer.json", "tokenizer.json with pairs", "vocab.json"])
def test_tokens_and_merges_are_those_of_the_files_beside_the_weights(tmp_path: Path, tokenizer: str) -> None:
    write_transformers_clip(tmp_path / "hf", small(), tokenizer=tokenizer)
    assert converted(tmp_path / "hf")[0] == expected_keys(small())


def test_fields_that_are_not_there_have_the_defaults_of_transformers(tmp_path: Path) -> None:
    model = ClipModel("quick_gelu", (768, 1, 12, 3072, 224, 32), (512, 1, 8, 2048), 512, MERGES)
    absent = (
        "hidden_size",
        "intermediate_size",
        "num_attention_heads",
        "hidden_act",
        "layer_norm_eps",
        "projection_dim",
    )
    towers = {
        "vision_config": dict.fromkeys((*absent, "image_size", "patch_size"), ...),
        "text_config": dict.fromkeys((*absent, "max_position_embeddings"), ...),
    }
    kept = ("size", "do_resize", "resample", "image_mean", "image_std", "do_center_crop", "crop_size")
    write_transformers_clip(
        tmp_path / "hf", model, config={**towers, "projection_dim": ...}, preprocessor=dict.fromkeys(kept, ...)
    )
    assert converted(tmp_path / "hf")[0] == expected_keys(model)


def test_an_early_configuration_whose_towers_are_said_twice_means_the_second(tmp_path: Path) -> None:
    """transformers takes text_config_dict, with defaults for what it lacks, over text_config."""
    model = replace(small("gelu"), text=(512, 1, 8, 2048), projection_dim=512)
    config = {
        "text_config": {"hidden_size": 1, "hidden_act": "relu", "intermediate_size": 3},
        "text_config_dict": {
            "hidden_act": "gelu", "num_hidden_layers": 1, "max_position_embeddings": 16,
            "vocab_size": len(model.tokens), "eos_token_id": 2,
        },
        "vision_config_dict": None,
    }  # fmt: skip
    write_transformers_clip(tmp_path / "hf", model, config=config)
    keys, tensors = converted(tmp_path / "hf")
    assert_holds(tensors, our_names(model.tensors))
    assert keys == expected_keys(model)


@pytest.mark.parametrize("projection", [True, False])
@pytest.mark.parametrize("bare", [True, False])
@pytest.mark.parametrize("tower", ["vision", "text"])
def test_a_tower_alone_is_converted_with_and_without_its_projection(
    tmp_path: Path, tower: str, bare: bool, projection: bool
) -> None:
    """`bare`: names without the tower's prefix."""
    prefix, head = f"{tower}_model.", "visual_projection.weight" if tower == "vision" else "text_projection.weight"
    model = small()
    own = {name: values for name, values in model.tensors.items() if name.startswith(prefix) or name == head}
    if not projection:
        del own[head]

    def only(tensors: Tensors) -> None:
        tensors.clear()
        tensors.update({name.removeprefix(prefix) if bare else name: values for name, values in own.items()})

    write_transformers_clip(tmp_path / "hf", model, change=only)
    config = json.loads((tmp_path / "hf" / "config.json").read_text())[f"{tower}_config"]
    (tmp_path / "hf" / "config.json").write_text(json.dumps(config | {"model_type": f"clip_{tower}_model"}))
    if tower == "text":  # how pictures are prepared is no question
        (tmp_path / "hf" / "preprocessor_config.json").unlink()
    keys, tensors = converted(tmp_path / "hf")
    assert_holds(tensors, our_names(own))
    other, width = ("text", model.vision[0]) if tower == "vision" else ("vision", model.text[0])
    assert (keys[f"clip.has_{tower}_encoder"], keys[f"clip.has_{other}_encoder"]) == (True, False)
    assert keys[f"clip.{tower}.projection_dim"] == (model.projection_dim if projection else width)
    assert not [key for key in keys if key.startswith((f"clip.{other}.",))]
    assert ("tokenizer.ggml.tokens" in keys) == (tower == "text")


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu", "gelu_new", "gelu_pytorch_tanh"])
def test_activations_have_their_names(tmp_path: Path, activation: str) -> None:
    write_transformers_clip(tmp_path / "hf", small(activation))
    names = {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh"}
    keys, _ = converted(tmp_path / "hf")
    assert keys["clip.activation"] == names.get(activation, activation)
    assert keys["clip.use_gelu"] == (activation != "quick_gelu")


def test_pictures_are_prepared_as_the_preprocessor_says(tmp_path: Path) -> None:
    square = {"height": 32, "width": 32, "shortest_edge": ...}
    cases: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"size": 32, "crop_size": 32}, {}),
        ({"resample": 2}, {"interpolation": "bilinear"}),
        ({"size": square}, {"resize": "squash"}),
        ({"size": square, "do_center_crop": False, "crop_size": 99}, {"resize": "squash"}),
        ({"image_mean": [0, 0, 0], "image_std": [1, 1, 1]}, {"image_mean": [0.0] * 3, "image_std": [1.0] * 3}),
        ({"feature_extractor_type": ..., "image_processor_type": "CLIPImageProcessorFast"}, {}),
    ]
    for i, (changes, expected) in enumerate(cases):
        write_transformers_clip(tmp_path / f"{i}", small(), preprocessor=changes)
        keys, _ = converted(tmp_path / f"{i}")
        assert keys == expected_keys(small()) | {f"clip.vision.{key}": value for key, value in expected.items()}
    combined = json.loads((tmp_path / "0" / "preprocessor_config.json").read_text())
    (tmp_path / "0" / "processor_config.json").write_text(json.dumps({"image_processor": combined | {"resample": 2}}))
    (tmp_path / "0" / "preprocessor_config.json").unlink()
    assert converted(tmp_path / "0")[0]["clip.vision.interpolation"] == "bilinear"


def test_position_numbers_in_older_files_are_left_out(tmp_path: Path) -> None:
    folder = write_transformers_clip(tmp_path / "hf", small())
    numbers = {f"{tower}_model.embeddings.position_ids": np.arange(17)[None] for tower in ("text", "vision")}
    stored = {name: ("F32", values) for name, values in small().tensors.items()}
    (folder / "model.safetensors").write_bytes(
        safetensors_bytes(stored | {name: ("I64", values) for name, values in numbers.items()})
    )
    assert_holds(converted(folder)[1], our_names(small().tensors))


# ---- SigLIP ----------------------------------------------------------------------------------------------------------


def test_siglip_is_converted_with_its_pooling_and_without_a_tokenizer(tmp_path: Path) -> None:
    model = SiglipModel()
    keys, tensors = converted(write_siglip(tmp_path / "siglip", model))
    expected = our_names(model.tensors)
    assert {"v.map.probe", "v.map.attn_k.bias", "v.map.ln.bias", "text_projection.bias"} < expected.keys()
    assert_holds(tensors, expected)
    towers: dict[str, Any] = {}
    for section, sizes in (("vision", model.vision), ("text", model.text)):
        names = ("embedding_length", "block_count", "attention.head_count", "feed_forward_length")
        towers |= {f"clip.{section}.{name}": size for name, size in zip(names, sizes, strict=False)}
        towers |= {f"clip.{section}.attention.layer_norm_epsilon": float(np.float32(1e-6))}
        towers |= {f"clip.{section}.projection_dim": 32}
    assert keys == towers | {
        "general.architecture": "clip", "general.name": "tiny", "general.source": "a test", "general.license": "MIT",
        "general.alignment": 64, "multimodal.layout": "panel16", "clip.has_vision_encoder": True,
        "clip.has_text_encoder": True, "clip.use_gelu": True, "clip.activation": "gelu_tanh",
        "clip.logit_scale": float(np.float32(np.exp(4.75))), "clip.logit_bias": -12.5, "clip.loss": "sigmoid",
        "clip.vision.image_size": 32, "clip.vision.patch_size": 8, "clip.vision.image_mean": [0.5] * 3,
        "clip.vision.image_std": [0.5] * 3, "clip.vision.resize": "squash", "clip.vision.interpolation": "bicubic",
        "clip.vision.crop": "floor", "clip.vision.exif_orientation": False, "clip.vision.pooling": "map",
        "clip.text.context_length": 12, "clip.text.vocab_size": 300, "clip.text.pooling": "last",
        "clip.text.causal": False, "clip.text.pad": True, "clip.text.pad_token_id": 1,
    }  # fmt: skip


@pytest.mark.parametrize("pad", ["<pad>", {"content": "<pad>", "lstrip": False}])
def test_siglip_pads_with_what_its_tokenizer_pads_with(tmp_path: Path, pad: object) -> None:
    """SigLIP 2 has another pad token than its config.json says."""
    folder = write_siglip(tmp_path / "siglip", SiglipModel())
    tokens = {"0": {"content": "<pad>"}, "1": {"content": "<eos>"}}
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": pad, "added_tokens_decoder": tokens}))
    assert converted(folder)[0]["clip.text.pad_token_id"] == 0


def test_the_text_tower_of_siglip_may_lead_to_another_size(tmp_path: Path) -> None:
    model = SiglipModel(text=(16, 2, 2, 48))
    folder = write_siglip(tmp_path / "siglip", model, config={"text_config": {"projection_size": 32}})
    keys, tensors = converted(folder)
    assert_holds(tensors, our_names(model.tensors))
    assert keys["clip.text.projection_dim"] == 32


# ---- OpenCLIP and OpenAI ---------------------------------------------------------------------------------------------


def test_openclip_says_the_recipe(tmp_path: Path) -> None:
    def model(**fields: Any) -> dict[str, Any]:
        return {"model_cfg": fields}

    cases: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"preprocess_cfg": {"interpolation": "bilinear"}}, {"clip.vision.interpolation": "bilinear"}),
        ({"preprocess_cfg": {"interpolation": "random"}}, {}),
        ({"preprocess_cfg": {"resize_mode": "squash", "size": [32, 32]}}, {"clip.vision.resize": "squash"}),
        ({"preprocess_cfg": ...}, {}),
        (model(vision_cfg={"act_kwargs": {"approximate": "tanh"}}, text_cfg={"act_kwargs": {"approximate": "tanh"}}),
         {"clip.activation": "gelu_tanh"}),
        (model(vision_cfg={"pool_type": "avg", "image_size": [32, 32]}), {"clip.vision.pooling": "mean"}),
        (model(text_cfg={"no_causal_mask": True, "pad_id": 7}),
         {"clip.text.causal": False, "clip.text.pad": True, "clip.text.pad_token_id": 7}),
        (model(text_cfg={"pool_type": "last"}), {"clip.text.pooling": "last", "clip.text.pad": True}),
        (model(text_cfg={"tokenizer_kwargs": {"clean": "lower"}, "hf_model_name": None}), {}),
    ]  # fmt: skip
    for i, (changes, expected) in enumerate(cases):
        write_openclip(tmp_path / f"{i}", openclip_model(), config=changes)
        keys, _ = converted(tmp_path / f"{i}")
        assert keys == expected_keys(openclip_model(), clip_vision_crop="half_even") | expected


def test_openclip_towers_may_lack_norms_and_projections_and_have_biases(tmp_path: Path) -> None:
    def change(tensors: Tensors) -> None:
        for kind in ("weight", "bias"):
            del tensors[f"visual.ln_pre.{kind}"]
        tensors["text_projection.weight"] = tensors.pop("text_projection").T
        tensors["text_projection.bias"] = np.arange(24, dtype=np.float32)
        tensors["logit_bias"] = np.array([-10], np.float32)

    config: dict[str, Any] = {"model_cfg": {"vision_cfg": {"no_ln_pre": True}, "text_cfg": {"proj_bias": True}}}
    model = openclip_model()
    keys, tensors = converted(write_openclip(tmp_path / "open", model, change=change, config=config))
    expected = our_names(model.tensors) | {"text_projection.bias": np.arange(24, dtype=np.float32)}
    assert_holds(tensors, {name: values for name, values in expected.items() if "pre_ln" not in name})
    assert (keys["clip.logit_bias"], keys["clip.loss"]) == (-10.0, "sigmoid")

    plain = openclip_model(text=(24, 1, 2, 96))
    config = {"model_cfg": {"text_cfg": {"proj_type": "none"}}}
    write_openclip(tmp_path / "none", plain, change=lambda tensors: tensors.pop("text_projection"), config=config)
    expected = our_names(plain.tensors)
    del expected["text_projection.weight"]
    assert_holds(converted(tmp_path / "none")[1], expected)


@pytest.mark.parametrize("form", ["vit.pt", "vit.safetensors", "wrapped.pt"])
def test_openai_state_dicts_need_no_configuration(tmp_path: Path, form: str) -> None:
    model = small(vision=(64, 2, 1, 256, 48, 16), text=(64, 1, 1, 256), merges=seeded("tiny-gelu").merges)
    write_openai_clip(tmp_path / form, model, wrapped=form.startswith("wrapped"))
    keys, tensors = converted(tmp_path / form, "same")
    rounded = {name: values.astype(np.float16).astype(np.float32) for name, values in model.tensors.items()}
    assert_holds(tensors, our_names(rounded), "float16")
    scale = float(np.float32(np.exp(float(np.float16(4.6052)))))
    assert keys == expected_keys(model, clip_vision_crop="half_even", clip_logit__scale=scale)


def test_a_file_with_a_configuration_beside_it_is_openclips(tmp_path: Path) -> None:
    write_openclip(tmp_path / "open", openclip_model())
    for name in ("open_clip_model.safetensors", "epoch_32.safetensors"):
        path = tmp_path / "open" / name
        if not path.is_file():
            (tmp_path / "open" / "open_clip_model.safetensors").rename(path)
        assert converted(path)[0] == expected_keys(openclip_model(), clip_vision_crop="half_even")


def test_a_folder_with_both_forms_is_read_as_openclips(tmp_path: Path) -> None:
    write_transformers_clip(tmp_path / "both", openclip_model())
    write_openclip(tmp_path / "both", openclip_model())
    assert converted(tmp_path / "both")[0]["clip.vision.crop"] == "half_even"
    assert converted(tmp_path / "both" / "model.safetensors")[0]["clip.vision.crop"] == "floor"


# ---- clip.cpp --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wtype", ["f16", "q8_0", "q5_0", "q5_1", "q4_0"])
def test_clip_cpp_gives_the_weights_it_holds(tmp_path: Path, wtype: str) -> None:
    model = small("gelu", text=(32, 1, 2, 64))
    held = write_clip_cpp(tmp_path / "model.gguf", model, wtype)
    keys, tensors = converted(tmp_path / "model.gguf")
    assert_holds(tensors, held)
    expected = expected_keys(model, clip_logit__scale=100.0)
    del expected["tokenizer.ggml.merges"]  # the engine recovers those of a vocabulary that is not OpenAI's
    assert keys == expected


@pytest.mark.parametrize("tower", ["vision", "text"])
def test_clip_cpp_files_of_one_tower_are_converted(tmp_path: Path, tower: str) -> None:
    held = write_clip_cpp(tmp_path / "model.gguf", small(), towers=tower)
    keys, tensors = converted(tmp_path / "model.gguf")
    assert_holds(tensors, held)
    other = "text" if tower == "vision" else "vision"
    assert (keys[f"clip.has_{tower}_encoder"], keys[f"clip.has_{other}_encoder"]) == (True, False)
    assert not [key for key in keys if key.startswith(f"clip.{other}.")]


def test_feed_forward_layers_of_one_shape_are_taken_for_clip_cpps(tmp_path: Path) -> None:
    model = small(vision=(32, 1, 2, 32, 32, 16), text=(16, 1, 2, 16))
    held = write_clip_cpp(tmp_path / "model.gguf", model)
    assert_holds(converted(tmp_path / "model.gguf")[1], held)


def test_projections_that_clip_cpp_files_lack_are_the_identity(tmp_path: Path) -> None:
    def drop(_: list[GgufValue], tensors: list[GgufTensor]) -> None:
        tensors[:] = [tensor for tensor in tensors if "projection" not in tensor.name]

    model = small(projection_dim=32, text=(32, 1, 2, 64))
    held = write_clip_cpp(tmp_path / "model.gguf", model, change=drop)
    expected = {name: values for name, values in held.items() if "projection" not in name}
    assert_holds(converted(tmp_path / "model.gguf")[1], expected)


def test_every_key_of_a_clip_cpp_file_is_checked(tmp_path: Path) -> None:
    cases: list[tuple[str, Any, Any, str]] = [
        ("clip.vision.block_count", U32, 257, "image layers is 257: 1 to 256"),
        ("clip.vision.image_size", STRING, "big", "clip.vision.image_size is 'big': an integer is needed"),
        ("clip.vision.patch_size", U32, 64, "image patch_size is 64 in pictures of 32"),
        ("clip.text.attention.head_count", U32, 3, "text width is 16, which its 3 heads do not divide"),
        ("clip.text.attention.layer_norm_epsilon", F32, 2.0, "layer_norm_epsilon is 2.0: 0 to 1"),
        ("clip.text.projection_dim", U32, 8, "the towers map into spaces of different size"),
        ("clip.has_text_encoder", U32, 1, "clip.has_text_encoder is 1: true or false"),
        ("clip.activation", STRING, "relu", "clip.activation is 'relu': 'quick_gelu', 'gelu', 'gelu_tanh' are"),
        ("clip.vision.resize", STRING, "longest", "clip.vision.resize is 'longest'"),
        ("clip.vision.pooling", STRING, "max", "clip.vision.pooling is 'max'"),
        ("clip.text.pooling", STRING, "mean", "clip.text.pooling is 'mean'"),
        ("clip.logit_scale", F32, float("nan"), "clip.logit_scale is nan: a number is needed"),
        ("clip.has_llava_projector", BOOL, True, "the picture part of a language model"),
        ("multimodal.layout", STRING, "rows", "multimodal.layout is 'rows': 'panel16' is supported"),
        ("tokenizer.ggml.tokens", STRING, "a", "tokenizer.ggml.tokens is not a list"),
        ("tokenizer.ggml.merges", (ARRAY, F32), [1.0], "tokenizer.ggml.merges is not a list of strings"),
    ]
    for key, kind, value, message in cases:

        def change(metadata: list[GgufValue], _: object, new: GgufValue = (key, kind, value)) -> None:
            metadata[:] = [*(entry for entry in metadata if entry[0] != new[0]), new]

        write_clip_cpp(tmp_path / "model.gguf", small(), change=change)
        with pytest.raises(ModelError, match=message) as caught:
            converted(tmp_path / "model.gguf")
        assert str(tmp_path / "model.gguf") in str(caught.value)
