"""From what was measured of CLIP to tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

# Columns: title, task, by how many its seconds are divided.
TOWERS = (
    ("1 picture", "image", 1),
    ("8 pictures, each", "images", 8),
    ("text of 8 tokens", "text", 1),
    ("8 such texts, each", "texts", 8),
    ("77 tokens", "long text", 1),
)
WHOLE = (("photo", "photo", 1), ("8 photos, each", "photos", 8), ("12-megapixel photo", "large photo", 1))
PREPARING = (("photo", "prepare photo", 1), ("12-megapixel photo", "prepare large photo", 1))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] + ["--:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def milliseconds(engines: Sequence[dict[str, Any]], columns: Sequence[tuple[str, str, int]]) -> list[list[str]]:
    """A row for each engine; in brackets how many times what the first engine takes."""
    rows = []
    for engine in engines:
        row = []
        for _, task, count in columns:
            if task not in engine["seconds"]:
                row.append("")
                continue
            seconds = median(engine["seconds"][task])
            ratio = seconds / median(engines[0]["seconds"][task])
            row.append(f"{1000 * seconds / count:.2f}" + ("" if engine is engines[0] else f" ({ratio:.2f})"))
        rows.append(row)
    return rows


def speed_table(engines: Sequence[dict[str, Any]], columns: Sequence[tuple[str, str, int]]) -> str:
    named = [f"{engine['contender']} ({engine['version']})" for engine in engines]
    cells = milliseconds(engines, columns)
    return table(["engine, ms", *(c[0] for c in columns)], [[n, *c] for n, c in zip(named, cells, strict=True)])


def cost_table(results: dict[str, Any]) -> str:
    rows = [
        [
            engine["contender"],
            f"{1000 * engine['open']:.0f}",
            f"{1000 * engine['first']:.0f}",
            f"{engine['peak_memory'] / 1e6:.0f}",
            least_cosine(results["cosines"].get(engine["contender"], {})),
        ]
        for engine in results["engines"]
    ]
    header = [
        "engine",
        "open, ms",
        "until the first photo's embedding, ms",
        "peak memory, MB",
        "least cosine with ours",
    ]
    return table(header, rows)


def least_cosine(cosines: dict[str, float]) -> str:
    return f"{min(cosines.values()):.6f}" if cosines else ""


def report(results: dict[str, Any]) -> str:
    machine, engines = results["machine"], results["engines"]
    preparing = [engine for engine in engines if "prepare photo" in engine["seconds"]]
    return "\n".join(
        [
            f"{machine['processor']}, {machine['cores']} cores, {machine['system']}; load at start "
            f"{machine['load']:.1f}; {results['threads']} threads; {machine['kernels']} kernels, "
            f"{machine['compiler']}; medians of {results['rounds']} rounds.\n",
            "## Towers\n",
            speed_table([engine for engine in engines if "image" in engine["seconds"]], TOWERS),
            "## From JPEG bytes to the embedding\n",
            speed_table(engines, WHOLE),
            "## From JPEG bytes to pixels, one thread\n",
            speed_table(preparing, PREPARING),
            "## Opening and memory\n",
            cost_table(results),
        ]
    )
