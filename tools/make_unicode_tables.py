"""Writes clib/src/runtime/unicode.cpp: the Unicode properties that GPT-2's split pattern asks for.

Package unicodedata2 is Python's `unicodedata` with a newer Unicode. 16.0 is what tiktoken splits by:

    pip install unicodedata2==16.0.0
    python tools/make_unicode_tables.py

`\\p{L}` and `\\p{N}` are the general categories; `\\s` is the property White_Space, which `unicodedata` lacks: it
is the list in Unicode's PropList.txt, unchanged since Unicode 6.3.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import unicodedata2 as unicodedata

OUTPUT = Path(__file__).resolve().parent.parent / "clib" / "src" / "runtime" / "unicode.cpp"
WHITE_SPACE = {*range(0x09, 0x0E), *range(0x2000, 0x200B)} | {
    0x20, 0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000
}  # fmt: skip

Range = tuple[int, int]


def ranges(has_property: Callable[[int], bool]) -> list[Range]:
    """Runs of code points, first and last included, that have a property."""
    found: list[Range] = []
    for code_point in range(sys.maxunicode + 1):
        if not has_property(code_point):
            continue
        if found and found[-1][1] == code_point - 1:
            found[-1] = (found[-1][0], code_point)
        else:
            found.append((code_point, code_point))
    return found


def table(name: str, values: list[Range]) -> str:
    lines, line = [], "   "
    for first, last in values:
        item = f" {{0x{first:X}, 0x{last:X}}},"
        if len(line) + len(item) > 120:
            lines.append(line)
            line = "   "
        line += item
    lines.append(line)
    return f"const Range {name}[] = {{\n" + "\n".join(lines) + "\n};\n"


def source() -> str:
    letters = ranges(lambda c: unicodedata.category(chr(c)).startswith("L"))
    numbers = ranges(lambda c: unicodedata.category(chr(c)).startswith("N"))
    spaces = ranges(WHITE_SPACE.__contains__)
    return f"""// Written by tools/make_unicode_tables.py from Unicode {unicodedata.unidata_version}: do not edit.
#include "runtime/unicode.h"

#include <algorithm>
#include <iterator>

namespace mm {{

namespace {{

struct Range {{
    char32_t first, last;
}};

// clang-format off
{table("kLetters", letters)}
{table("kNumbers", numbers)}
{table("kWhiteSpace", spaces)}// clang-format on

template <size_t n>
bool contains(const Range (&table)[n], char32_t code_point) {{
    const Range* range = std::lower_bound(std::begin(table), std::end(table), code_point,
                                          [](const Range& r, char32_t c) {{ return r.last < c; }});
    return range != std::end(table) && range->first <= code_point;
}}

}}  // namespace

bool is_letter(char32_t code_point) {{
    return contains(kLetters, code_point);
}}

bool is_number(char32_t code_point) {{
    return contains(kNumbers, code_point);
}}

bool is_white_space(char32_t code_point) {{
    return contains(kWhiteSpace, code_point);
}}

}}  // namespace mm
"""


if __name__ == "__main__":
    OUTPUT.write_text(source(), encoding="utf-8")
    print(f"{OUTPUT}: Unicode {unicodedata.unidata_version}")
