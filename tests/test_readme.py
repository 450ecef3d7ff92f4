"""Every command and program of README.md is run as it stands there, in its order, in a folder with speech.wav,
picture.png and pictures/."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from native import HEADER, ROOT, build, run
from published import jfk_wav, published

from abi_checks.hosts.go import PACKAGE, go
from abi_checks.platforms import PLATFORMS

BLOCKS: list[tuple[str, str]] = re.findall(
    r"^```(\w+)\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)
# What programs of the README lack.
MAINS = {
    "c": """
int main(int argc, char **argv) {
    static float samples[16000];
    return argc == 2 ? transcribe(argv[1], samples, 16000) : 2;
}
""",
    "cpp": "",
    "go": "",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader would be: with a recording at hand and the model that the README names."""
    path = tmp_path_factory.mktemp("readme")
    shutil.copy(jfk_wav(), path / "speech.wav")
    shutil.copy(published("twemoji-pictures") / "1f980.png", path / "picture.png")
    (path / "pictures").mkdir()
    for picture in published("twemoji-pictures").glob("1f34?.png"):
        shutil.copy(picture, path / "pictures")
    shell("multimodal models pull tiny.en", path)
    return path


def shell(command: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", command], cwd=folder, env={**os.environ, "PATH": path}, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def run_command(command: str, folder: Path) -> None:
    if command.startswith("make "):  # these tests are what `make test` runs; make says whether it knows the verb
        shell(f"{command} --dry-run", ROOT)
    elif command.startswith("pip install ."):
        shell(f"{command} --quiet --no-deps --target {folder / 'site-packages'}", ROOT)
    else:
        shell(command, folder)


@pytest.mark.parametrize("index", range(len(BLOCKS)), ids=[language for language, _ in BLOCKS])
def test_readme_block_works(index: int, folder: Path) -> None:
    language, text = BLOCKS[index]
    if language == "sh":
        for line in text.splitlines():
            command = re.sub(r"\s+# .*", "", line)
            if command:
                run_command(command, folder)
    elif language == "python":
        printed = run(sys.executable, "-c", text, cwd=folder)
        assert ("country" if "Whisper" in text else "a crab") in printed
    else:
        (folder / f"program.{language}").write_text(text + MAINS[language], encoding="utf-8")


def test_the_c_and_cpp_programs_of_the_readme_transcribe(folder: Path) -> None:
    model = shell("multimodal models path tiny.en", folder).strip()
    run(folder / "program", model)
    assert "segments" in run(folder / "program-cpp", model)


def test_the_go_program_of_the_readme_transcribes(folder: Path) -> None:
    requires = f"module program\n\ngo 1.23\n\nrequire multimodal v0.0.0\n\nreplace multimodal => {PACKAGE}\n"
    (folder / "go.mod").write_text(requires, encoding="utf-8")
    go(PLATFORMS["x86_64"], build("gcc"), HEADER.parent, folder, "build", "-o", "program-go", "program.go")
    run(folder / "program-go", shell("multimodal models path tiny.en", folder).strip())


def test_the_readme_names_only_files_that_exist() -> None:
    prose = re.sub(
        r"^```.*?^```$", "", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    links = re.findall(r"\]\(([^):]+)\)", prose)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
