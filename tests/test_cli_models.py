"""`multimodal models`, as somebody at a terminal meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from checkpoint_writers import write_ctranslate2
from click.testing import CliRunner, Result
from gguf_reader import read_gguf
from model_files import synthetic_model, write_ggml, write_gguf
from model_servers import HubServer

from pyffi.cli import main


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULTIMODAL_CACHE", str(tmp_path / "cache"))


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["models", *map(str, arguments)])


def test_convert_names_its_target_after_the_source_and_records_what_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_ctranslate2(tmp_path / "my-model", synthetic_model())
    result = run("convert", tmp_path / "my-model", "--license", "MIT", "--dtype", "f32")
    assert (result.exit_code, result.stdout) == (0, "my-model.gguf\n"), result.output
    metadata, tensors = read_gguf(tmp_path / "my-model.gguf")
    assert (metadata["general.name"], metadata["general.license"]) == ("my-model", "MIT")
    assert tensors["decoder.token_embedding.weight"].dtype == "float32"


def test_convert_refuses_to_replace_its_source_and_what_is_no_model(tmp_path: Path) -> None:
    write_ggml(tmp_path / "ggml.bin")
    before = (tmp_path / "ggml.bin").read_bytes()
    result = run("convert", tmp_path / "ggml.bin", tmp_path / "ggml.bin")
    assert result.exit_code == 2 and "would replace its own source" in result.output
    assert (tmp_path / "ggml.bin").read_bytes() == before
    (tmp_path / "notes.txt").write_text("nothing")
    result = run("convert", tmp_path / "notes.txt")
    assert result.exit_code == 1 and "is not a model that can be converted" in result.output


def test_pull_list_path_info_and_verify_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ctranslate2(tmp_path / "ct2", synthetic_model())
    with HubServer() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        hub.add("Systran/faster-whisper-tiny", tmp_path / "ct2")
        pulled = run("pull", "tiny")
    path = tmp_path / "cache" / "models" / "tiny.gguf"
    assert (pulled.exit_code, pulled.stdout) == (0, f"{path}\n"), pulled.output
    assert run("path", "tiny").stdout == f"{path}\n"
    assert run("path").stdout == f"{tmp_path / 'cache'}\n"

    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert rows["tiny"]["path"] == str(path) and rows["tiny"]["size"] == path.stat().st_size
    assert rows["base"]["path"] is None
    (line,) = [line for line in run("list").stdout.splitlines() if line.startswith("tiny ")]
    assert line.endswith(f"{path.stat().st_size / 1e6:.0f} MB")

    info = json.loads(run("info", "tiny", "--json").stdout)
    assert info["hyperparameters"]["n_audio_state"] == 64
    assert info["pulled"]["source"] == "hub repository Systran/faster-whisper-tiny"
    assert info["pulled"]["sha256"] == info["sha256"]
    assert "n_audio_state" in run("info", "tiny").stdout

    verified = run("verify", "tiny")
    assert verified.exit_code == 0 and f"sha256 {info['sha256']} as expected" in verified.stdout
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    spoilt = run("verify", "tiny")
    assert spoilt.exit_code == 1 and info["sha256"] in spoilt.output


def test_what_is_not_here_is_told_in_one_line_with_the_remedy(tmp_path: Path) -> None:
    for verb in ("path", "info", "verify"):
        result = run(verb, "small")
        assert result.exit_code == 1
        assert "small is not in the cache: `multimodal models pull small` fetches it" in result.output
    result = run("info", "smal")
    assert result.exit_code == 1 and "did you mean small" in result.output
    (tmp_path / "broken.gguf").write_bytes(b"GGUF")
    result = run("verify", tmp_path / "broken.gguf")
    assert result.exit_code == 1 and str(tmp_path / "broken.gguf") in result.output


def test_verify_compares_with_a_digest_that_is_given(tmp_path: Path) -> None:
    write_gguf(tmp_path / "model.gguf")
    digest = json.loads(run("info", tmp_path / "model.gguf", "--json").stdout)["sha256"]
    assert run("verify", tmp_path / "model.gguf").exit_code == 0
    assert run("verify", tmp_path / "model.gguf", "--sha256", digest).exit_code == 0
    assert run("verify", tmp_path / "model.gguf", "--sha256", "00" * 32).exit_code == 1
