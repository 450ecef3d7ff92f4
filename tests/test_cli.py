"""The command `multimodal`, in this process and in one of its own."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from click.testing import CliRunner, Result
from model_files import write_gguf

from pyffi import Whisper, __version__
from pyffi.cli import VERBS, compare, main, transcribe
from pyffi.cli.files import expand_all

Tone = Callable[..., npt.NDArray[np.float32]]
COMMAND = [sys.executable, "-m", "pyffi.cli"]
QUICK = [
    *("--language", "en", "--beam-size", "1", "--temperature", "0", "--audio-ctx", "100"),
    *("--no-speech-threshold", "off", "--log-prob-threshold", "off", "--compression-ratio-threshold", "off"),
]


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory, tone: Tone) -> Path:
    """A folder with good and bad files."""
    folder = tmp_path_factory.mktemp("audio")
    soundfile.write(folder / "one.wav", tone(1), 16000)
    soundfile.write(folder / "two.flac", tone(2), 16000)
    (folder / "bad.wav").write_bytes(b"RIFF, but no more of it")
    (folder / "empty.mp3").touch()
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that says little: its decoder has 32 positions."""
    path = tmp_path_factory.mktemp("models") / "brief.gguf"
    write_gguf(path, n_text_ctx=32)
    return path


@pytest.fixture
def run(model: Path, audio: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """run("transcribe", "one.wav", ...) in the folder of audio, with the tiny model."""
    monkeypatch.chdir(audio)
    monkeypatch.setenv("MULTIMODAL_MODEL", str(model))

    def invoke(*arguments: str | Path, **keywords: Any) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments], **keywords)

    return invoke


# ---- The command as a whole ------------------------------------------------------------------------------------------


def test_every_verb_has_help_and_a_file(run: Callable[..., Result]) -> None:
    everything = run("--help")
    assert everything.exit_code == 0
    for verb in VERBS:
        assert re.search(rf"^  {verb} ", everything.output, re.MULTILINE)
        assert run(verb, "--help").exit_code == 0
    assert "_MULTIMODAL_COMPLETE=bash_source" in everything.output


def test_version(run: Callable[..., Result]) -> None:
    assert run("--version").output.strip() == f"multimodal, version {__version__}"


def test_an_unknown_verb_is_wrong_usage(run: Callable[..., Result]) -> None:
    result = run("transcripe", "one.wav")
    assert result.exit_code == 2
    assert "No such command 'transcripe'" in result.output


def test_shell_completion_knows_verbs_options_values_and_files() -> None:
    for words, expected in (
        ("multimodal tr", "plain,transcribe"),
        ("multimodal transcribe --word", "plain,--word-timestamps"),
        ("multimodal transcribe inter", "file,inter"),
        ("multimodal bench inter", "file,inter"),
        ("multimodal transcribe --model tiny.", "plain,tiny.en"),
        ("multimodal transcribe --model ./mo", "file,./mo"),
        ("multimodal transcribe --format txt,s", "plain,txt,srt"),
        ("multimodal transcribe --output-dir su", "dir,su"),
    ):
        environment = os.environ | {
            "_MULTIMODAL_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        }
        done = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, check=False)
        assert expected in done.stdout


def test_an_error_is_one_line_without_a_traceback(run: Callable[..., Result]) -> None:
    result = run("transcribe", "one.wav", "--model", "/nonexistent/model.gguf")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "/nonexistent/model.gguf" in result.stderr
    assert result.stderr.count("\n") == 1


# ---- transcribe ------------------------------------------------------------------------------------------------------


def test_text_is_printed(run: Callable[..., Result], model: Path) -> None:
    result = run("transcribe", "one.wav", *QUICK)
    with Whisper(model) as whisper:
        expected = whisper.transcribe(
            "one.wav", language="en", beam_size=1, temperature=0.0, audio_ctx=100,
            no_speech_threshold=None, log_prob_threshold=None, compression_ratio_threshold=None,
        ).to_txt()  # fmt: skip
    assert (result.exit_code, result.stdout, result.stderr) == (0, expected, "")
    assert result.stdout.strip()


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("srt", r"1\n00:00:00,\d{3} --> "),
        ("vtt", r"WEBVTT\n\n00:00:00\.\d{3} --> "),
        ("tsv", r"start\tend\ttext\n\d+\t\d+\t"),
        ("lrc", r"\[00:0\d\.\d\d\]"),
        ("json", r"\{"),
    ],
)
def test_each_format_is_printed(run: Callable[..., Result], name: str, pattern: str) -> None:
    result = run("transcribe", "one.wav", "-f", name, *QUICK)
    assert result.exit_code == 0
    assert re.match(pattern, result.stdout)


def test_files_are_written_for_each_input_and_format(run: Callable[..., Result], tmp_path: Path) -> None:
    result = run("transcribe", "one.wav", "two.flac", "-o", tmp_path / "new" / "folder", "-f", "srt,JSON", *QUICK)
    assert (result.exit_code, result.stdout) == (0, "")
    folder = tmp_path / "new" / "folder"
    assert sorted(path.name for path in folder.iterdir()) == ["one.json", "one.srt", "two.json", "two.srt"]
    assert json.loads((folder / "two.json").read_text(encoding="utf-8"))["duration"] == 2


def test_several_texts_are_told_apart(run: Callable[..., Result]) -> None:
    result = run("transcribe", "one.wav", "two.flac", *QUICK)
    assert re.match(r"==> one\.wav <==\n.+\n==> two\.flac <==\n.+", result.stdout, re.DOTALL)


def test_patterns_are_expanded(run: Callable[..., Result]) -> None:
    result = run("transcribe", "*o*.[wf]*", *QUICK)
    assert result.exit_code == 0
    assert re.findall("==> (.*) <==", result.stdout) == ["one.wav", "two.flac"]


def test_one_bad_file_does_not_stop_the_others(run: Callable[..., Result], tmp_path: Path) -> None:
    names = ["bad.wav", "empty.mp3", "none.wav", "one.wav", "no*such"]
    result = run("transcribe", *names, "-o", tmp_path, *QUICK)
    assert result.exit_code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["one.txt"]
    lines = result.stderr.splitlines()
    assert lines[0].startswith("Error: bad.wav cannot be read as audio: ")
    assert lines[1:] == [
        "Error: empty.mp3 is empty",
        "Error: none.wav: No such file or directory",
        "Error: no*such: No such file or directory",
        "4 of 5 files failed",
    ]


def test_standard_input_is_read(run: Callable[..., Result], audio: Path) -> None:
    result = run("transcribe", "-", *QUICK, input=(audio / "one.wav").read_bytes())
    assert (result.exit_code, result.stdout) == (0, run("transcribe", "one.wav", *QUICK).stdout)


def test_word_times_are_in_json(run: Callable[..., Result]) -> None:
    values = json.loads(run("transcribe", "one.wav", "-f", "json", "--word-timestamps", *QUICK).stdout)
    assert values["segments"][0]["words"]


@pytest.mark.parametrize(
    "options",
    [
        ["--vad"],
        ["--task", "translate"],
        ["--initial-prompt", "Names: Ada, Grace."],
        ["--threads", "1"],
        ["--temperature", "0.5,1", "--best-of", "2", "--seed", "3"],
        ["--no-condition-on-previous-text"],
        ["--without-timestamps"],
        ["--word-timestamps", "--hallucination-silence-threshold", "2"],
        ["--beam-size", "3"],
    ],
)
def test_options_are_understood(run: Callable[..., Result], options: list[str]) -> None:
    result = run("transcribe", "one.wav", *QUICK, *options)
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument 'FILES...'"),
        (["one.wav", "-f", "docx"], "'docx' is not one of txt, srt, vtt, tsv, json, lrc"),
        (["one.wav", "-f", ","], "name one or more of txt"),
        (["one.wav", "-f", "srt,vtt"], "2 formats cannot all be printed; give --output-dir"),
        (["one.wav", "two.flac", "-f", "srt"], "2 files in srt cannot all be printed; give --output-dir"),
        (["one.wav", "--beam-size", "17"], "1<=x<=16"),
        (["one.wav", "--temperature", "hot"], "'hot' is not a list of numbers such as 0,0.2,0.4"),
        (["one.wav", "--no-speech-threshold", "low"], "'low' is neither a number nor 'off'"),
        (["one.wav", "--task", "sing"], "'sing' is not one of"),
        (["a/one.wav", "b/one.wav", "-o", "out"], "several files are named one.wav"),
        (["one.wav", "--temperature", "0,3"], "3 is not a temperature from 0 to 2"),
        (["one.wav", "--threads", "2147483648"], "1<=x<=65536"),
        (["one.wav", "--hallucination-silence-threshold", "2"], "needs --word-timestamps"),
    ],
)
def test_wrong_usage_is_told(run: Callable[..., Result], arguments: list[str], message: str) -> None:
    result = run("transcribe", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_an_unknown_language_fails_with_the_file_named(run: Callable[..., Result]) -> None:
    result = run("transcribe", "one.wav", "--language", "klingon")
    assert result.exit_code == 1
    assert re.match(r"Error: one\.wav: language .klingon. is not one of", result.stderr)


def test_outputs_of_equal_stems_keep_their_endings() -> None:
    jobs = transcribe.make_jobs(expand_all(["a.wav", "a.mp3", "a.wav"]), named=True)
    assert [(job.path, job.stem) for job in jobs] == [("a.wav", "a.wav"), ("a.mp3", "a.mp3")]


def test_files_of_one_name_can_be_printed(run: Callable[..., Result], audio: Path) -> None:
    (audio / "deeper").mkdir(exist_ok=True)
    shutil.copy(audio / "one.wav", audio / "deeper" / "one.wav")
    result = run("transcribe", "one.wav", "deeper/one.wav", *QUICK)
    assert result.exit_code == 0
    assert "==> one.wav <==" in result.stdout
    assert "==> deeper/one.wav <==" in result.stdout


def test_a_warning_is_one_line_without_its_place(run: Callable[..., Result], audio: Path, tone: Tone) -> None:
    soundfile.write(audio / "long.mp3", tone(20), 16000)
    (audio / "cut.mp3").write_bytes((audio / "long.mp3").read_bytes()[:20000])
    result = run("transcribe", "cut.mp3", *QUICK)
    assert result.exit_code == 0
    (line,) = [line for line in result.stderr.splitlines() if "cut short" in line]
    assert line.startswith("Warning: cut.mp3 is cut short")


# ---- In a process of its own -----------------------------------------------------------------------------------------


def test_a_pipe_gets_plain_text_and_no_progress(audio: Path, model: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "transcribe", "-", "-m", model, *QUICK],
        input=(audio / "two.flac").read_bytes(),
        capture_output=True,
        env=os.environ | {"TERM": "xterm-256color"},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\x1b" not in done.stdout
    assert done.stdout.strip()


def run_on_terminal(arguments: Sequence[object], **streams: Any) -> tuple[bytes, bytes]:
    """What a command shows on a terminal of 400 columns, which is its stderr, and what it writes to a piped stdout."""
    master, slave = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "400"}
    streams = {name: slave if stream is None else stream for name, stream in streams.items()}
    with subprocess.Popen([*COMMAND, *map(str, arguments)], stderr=slave, env=environment, **streams) as process:
        os.close(slave)
        shown = b""
        try:
            while part := os.read(master, 65536):
                shown += part
        except OSError:  # what Linux says when the other end of a terminal has gone
            pass
        os.close(master)
        written = process.stdout.read() if process.stdout else b""
        assert process.wait() == 0
    return shown, written


def test_a_terminal_gets_progress_and_a_pipe_the_text(model: Path, tone: Tone, tmp_path: Path) -> None:
    long = tmp_path / "long.wav"
    soundfile.write(long, tone(300), 16000)
    shown, written = run_on_terminal(["transcribe", long, "-m", model, *QUICK], stdout=subprocess.PIPE)
    assert b"long.wav" in shown
    assert re.search(rb"real-time factor \d+\.\d\d, \d+:\d\d left", shown)
    assert b"\x1b" not in written
    assert written.strip()
    assert written.splitlines()[0] not in shown


def test_text_on_a_terminal_goes_above_the_bar(audio: Path, model: Path) -> None:
    arguments = ["transcribe", audio / "one.wav", "-m", model, *QUICK]
    _, written = run_on_terminal(arguments, stdout=subprocess.PIPE)
    shown, _ = run_on_terminal(arguments, stdout=None)
    before, text, _ = shown.partition(written.splitlines()[0].strip())
    assert text
    assert before.endswith(b"\x1b[2K")  # the line was wiped first


def test_the_reader_of_a_pipe_may_go_away(tone: Tone, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, tone(60), 16000)
    process = subprocess.Popen(
        [*COMMAND, "transcribe", path, "-m", model, *QUICK], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1


def test_closed_streams_are_no_crash(audio: Path, model: Path) -> None:
    command = f"{sys.executable} -m pyffi.cli transcribe"
    options = f"-m {model} {' '.join(QUICK)}"
    done = subprocess.run(
        ["sh", "-c", f"{command} - {options} <&-; echo $?; {command} one.wav {options} >&-; echo $? >&2"],
        cwd=audio,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "2\n"
    assert "standard input is closed" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.endswith("0\n")


def test_text_that_the_terminal_cannot_show_is_no_crash(audio: Path, model: Path) -> None:
    shutil.copy(audio / "one.wav", audio / "na\u00efve.wav")
    done = subprocess.run(
        [*COMMAND, "transcribe", "one.wav", "na\u00efve.wav", "-m", model, *QUICK],
        cwd=audio,
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"==> na?ve.wav <==" in done.stdout


def test_ctrl_c_ends_with_130(tmp_path: Path, model: Path) -> None:
    path = tmp_path / "noise.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(2).standard_normal(16000 * 900), 16000)
    with subprocess.Popen(
        [*COMMAND, "transcribe", path, "-m", model, *QUICK],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()  # it is decoding
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert time.monotonic() - started < 0.6
        assert process.stderr is not None
        assert process.stderr.read() == b"Interrupted\n"


# ---- info, bench, compare --------------------------------------------------------------------------------------------


def test_info_for_people_and_programs(run: Callable[..., Result]) -> None:
    assert re.search(rf"^version +{re.escape(__version__)}$", run("info").stdout, re.MULTILINE)
    values = json.loads(run("info", "--json").stdout)
    assert values["version"] == __version__
    assert Path(values["library"]).is_file()
    assert values["kernels"]["used"]


def test_bench_shows_each_step(run: Callable[..., Result]) -> None:
    arguments = ("bench", "two.flac", "--runs", "1", "--beam-size", "1", "--language", "en")
    shown = run(*arguments)
    assert shown.exit_code == 0
    for step in ("open the model", "log-mel spectrogram", "encoder", "decoder", "whole transcription"):
        assert step in shown.stdout
    values = json.loads(run(*arguments, "--json").stdout)
    assert values["audio"] == 2
    assert values["real_time_factor"] == pytest.approx(values["transcribe"] / 2)
    assert 0 < values["open"] < 5


def test_bench_counts_windows_of_silence(run: Callable[..., Result], audio: Path) -> None:
    soundfile.write(audio / "hush.wav", np.zeros(70 * 16000, np.float32), 16000)
    shown = run("bench", "hush.wav", "--runs", "1", "--beam-size", "1", "--language", "en", "--json")
    assert json.loads(shown.stdout)["windows"] >= 3


def test_bench_needs_samples(run: Callable[..., Result], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "none.wav", np.zeros(0, np.float32), 16000)
    result = run("bench", tmp_path / "none.wav")
    assert result.exit_code == 1
    assert "has no samples" in result.stderr


FAKE_PEER = """
class WhisperModel:
    def __init__(self, model, **options): pass
    def transcribe(self, audio, **options):
        class Segment: text = " and so my fellow"
        return [Segment(), Segment()], None
"""


def test_compare_runs_those_that_are_installed(run: Callable[..., Result], audio: Path, tmp_path: Path) -> None:
    """A package that stands in for faster-whisper, and one that is not there."""
    (tmp_path / "faster_whisper.py").write_text(FAKE_PEER)
    metadata = tmp_path / "faster_whisper-1.2.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: faster-whisper\nVersion: 1.2.1\n")
    (metadata / "RECORD").touch()
    (tmp_path / "tokenizer.json").touch()
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    arguments = [
        *("compare", "two.flac", "--with", "faster-whisper,whisper-cpp-python", "--beam-size", "1", "-l", "en"),
        *("--weights", f"faster-whisper={tmp_path}", "--weights", f"whisper-cpp-python={tmp_path}"),
        *("--python", f"faster-whisper={python}", "--python", f"whisper-cpp-python={sys.executable}"),
    ]
    ours, fake, missing = json.loads(run(*arguments, "--json").stdout)
    assert (ours["name"], ours["error"]) == ("multimodal-ffi", "")
    assert ours["transcribe"] > 0
    assert (fake["name"], fake["version"], fake["text"]) == (
        "faster-whisper",
        "1.2.1",
        " ".join(["and so my fellow"] * 2),
    )
    assert missing["error"] == "not installed: pip install whisper-cpp-python"
    shown = run(*arguments)
    assert shown.exit_code == 0
    assert "{+" in shown.stdout
    assert "\x1b" not in shown.stdout


def test_compare_survives_a_peer_that_crashes(run: Callable[..., Result], tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nkill -SEGV $$\n")
    python.chmod(0o755)
    arguments = ["--weights", f"pywhispercpp={tmp_path}", "--python", f"pywhispercpp={python}"]
    result = run("compare", "one.wav", "--with", "pywhispercpp", "--beam-size", "1", "--json", *arguments)
    assert result.exit_code == 0
    assert json.loads(result.stdout)[1]["error"] == "ended with code -11"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--with", "dragon"], "'dragon' is not one of faster-whisper"), (["--weights", "x"], "'x' is not PEER=PATH")],
)
def test_compare_knows_whom_it_can_compare_with(run: Callable[..., Result], arguments: list[str], message: str) -> None:
    result = run("compare", "one.wav", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_words_are_compared_without_case_and_punctuation() -> None:
    assert compare.normalise("Ask not, what's YOURS — “now”!") == ["ask", "not", "what's", "yours", "now"]
    assert compare.differing_words("Ask not what", "ask NOT, what.") == 0
    assert compare.differing_words("ask not what", "ask what") == 1
    assert compare.differing_words("ask not what", "ask knot what you can") == 3
    assert compare.marked("ask not what", "ask knot what now").plain == "ask [-not-] {+knot+} what {+now+} "
