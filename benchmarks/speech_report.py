"""From speech.json to speech.md and a plot: `python speech_report.py RESULTS.json FOLDER OURS`, in an environment with
jiwer, matplotlib and whisper-normalizer."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import jiwer
import matplotlib
from whisper_normalizer.english import EnglishTextNormalizer

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "benchmarks"  # the same file for the same numbers

import matplotlib.pyplot as plt  # noqa: E402

COLOURS = ["#2166ac", "#e08214", "#fdb863", "#5aae61", "#999999"]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] + ["--:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def word_error_rate(references: Sequence[str], texts: Sequence[str]) -> tuple[float, int, int]:
    """As openai/whisper counts it: without case, punctuation, and differences of spelling and of writing numbers."""
    normalise = EnglishTextNormalizer()
    wanted = [normalise(text) for text in references]
    counted = jiwer.process_words(wanted, [normalise(text) for text in texts])
    errors = counted.substitutions + counted.deletions + counted.insertions
    return counted.wer, errors, sum(len(text.split()) for text in wanted)


def speed_tables(results: dict[str, Any], ours: str) -> Iterable[str]:
    rows = results["speed"]
    for model, beam, recording in dict.fromkeys((r["model"], r["beam_size"], r["recording"]) for r in rows):
        here = [r for r in rows if (r["model"], r["beam_size"], r["recording"]) == (model, beam, recording)]
        reference = next(r["seconds"] for r in here if r["contender"] == ours)
        yield f"### {model}, {recording} ({here[0]['audio']:.0f} s), beam size {beam}\n"
        yield table(
            ["recogniser", "seconds", "real-time factor", "times our time", "open, ms", "peak memory, MB"],
            [
                [
                    f"{r['contender']} {r['version']}",
                    f"{r['seconds']:.2f}",
                    f"{r['seconds'] / r['audio']:.3f}",
                    f"{r['seconds'] / reference:.2f}",
                    f"{1000 * r['open']:.0f}",
                    f"{r['peak_memory'] / 1e6:.0f}",
                ]
                for r in here
            ],
        )


def accuracy_table(results: dict[str, Any]) -> str:
    rows = []
    for r in results["accuracy"]:
        r["wer"], errors, words = word_error_rate(r["references"], r["texts"])
        rows.append(
            [
                r["contender"],
                r["model"],
                str(r["beam_size"]),
                f"{100 * r['wer']:.2f} %",
                f"{errors} of {words}",
                f"{r['seconds'] / r['audio']:.3f}",
            ]
        )
    return table(["recogniser", "model", "beam size", "word error rate", "errors", "real-time factor"], rows)


def overhead_table(results: dict[str, Any]) -> str:
    overhead = results["overhead"]
    rows = [[c["call"], f"{c['c_ns']:.0f}", f"{c['added_ns'] / 1000:.2f}"] for c in overhead["calls"]]
    return table(["call", "in C, ns", "Python adds, µs"], rows) + (
        f"\n`Vad.probabilities` of {overhead['seconds']} s: {overhead['bytes_given']:,} bytes of samples handed over; "
        f"Python allocated at most {overhead['bytes_copied']:,} bytes while it ran, so none were copied.\n"
    )


def plot(results: dict[str, Any], path: Path) -> None:
    """For each model and beam size: real-time factor of the longest recording, word error rate, time to open the model,
    and peak memory."""
    longest = max(r["audio"] for r in results["speed"])
    speed = [r for r in results["speed"] if r["audio"] == longest]
    groups = list(dict.fromkeys((r["model"], r["beam_size"]) for r in speed))
    contenders = list(dict.fromkeys(r["contender"] for r in speed))
    figure, axes = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")
    width = 0.8 / len(contenders)
    panels: list[tuple[Any, list[dict[str, Any]], Callable[[dict[str, Any]], float], str]] = [
        (axes[0, 0], speed, lambda r: r["seconds"] / r["audio"], "real-time factor, whole transcription"),
        (axes[0, 1], results["accuracy"], lambda r: 100 * r["wer"], "word error rate, %"),
        (axes[1, 0], speed, lambda r: r["open"], "opening the model, seconds"),
        (axes[1, 1], speed, lambda r: r["peak_memory"] / 1e9, "peak memory, GB"),
    ]
    for axis, rows, value, title in panels:
        for i, contender in enumerate(contenders):
            found = {(r["model"], r["beam_size"]): value(r) for r in rows if r["contender"] == contender}
            places = [j + (i - (len(contenders) - 1) / 2) * width for j in range(len(groups))]
            bars = axis.bar(places, [found.get(g, 0) for g in groups], width, label=contender, color=COLOURS[i])
            axis.bar_label(bars, fmt="%.2f", fontsize=7)
        axis.set_xticks(range(len(groups)), [f"{model}\nbeam {beam}" for model, beam in groups])
        axis.set_title(title + " (less is better)", fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0, 0].legend(frameon=False, fontsize=8)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    source, folder, ours = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    results = json.loads(source.read_text(encoding="utf-8"))
    machine = results["machine"]
    parts = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}; load at start {machine['load']:.1f}; "
        f"{results['threads']} threads; {machine['kernels']} kernels, {machine['compiler']}; "
        f"best of {results['rounds']}.\n",
        "## Speed\n",
        *speed_tables(results, ours),
        f"## Accuracy, {len(results['accuracy'][0]['texts'])} utterances\n",
        accuracy_table(results),
        "## Calls from Python\n",
        overhead_table(results),
    ]
    text = "\n".join(parts)
    (folder / "speech.md").write_text(text, encoding="utf-8")
    plot(results, folder / "speech.svg")
    print(text)


main()
