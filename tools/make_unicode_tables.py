"""Writes clib/src/runtime/unicode.cpp and unicode_nfc_tables.cpp: the Unicode properties that tokenizers ask for.

Package unicodedata2 is Python's `unicodedata` with a newer Unicode. 16.0 is what the split patterns of tiktoken and of
package tokenizers know. Other parts of tokenizers are older or newer, so it is asked which code points it knows:

    pip install unicodedata2==16.0.0 tokenizers==0.23.3
    python tools/make_unicode_tables.py

`\\p{L}` and `\\p{N}` are the general categories; `\\s` is the property White_Space, which `unicodedata` lacks: it
is the list in Unicode's PropList.txt, unchanged since Unicode 6.3. Decompositions and combining classes never change
once a code point is assigned, so those that tokenizers' NFC leaves alone are those that came after its tables.
Lower case is what tokenizers' Lowercase makes of each code point by itself, which is Python's `str.lower` wherever that
Python knows the code point.
"""

from __future__ import annotations

import sys
import unicodedata as builtin
from collections.abc import Callable, Iterable
from pathlib import Path

import unicodedata2 as unicodedata
from tokenizers import normalizers

RUNTIME = Path(__file__).resolve().parent.parent / "clib" / "src" / "runtime"
CODE_POINTS = [*range(0xD800), *range(0xE000, sys.maxunicode + 1)]
WHITE_SPACE = {*range(0x09, 0x0E), *range(0x2000, 0x200B)} | {
    0x20, 0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000
}  # fmt: skip
HANGUL = range(0xAC00, 0xD7A4)  # composed and decomposed by arithmetic
BELOW, ABOVE = "\u0334", "\u0345"  # marks of the lowest and the highest combining class

nfd = normalizers.NFD().normalize_str
nfc = normalizers.NFC().normalize_str
lower = normalizers.Lowercase().normalize_str


def ranges(has_property: Callable[[int], object]) -> list[tuple[int, int]]:
    """Runs of code points, first and last included, of which has_property says the same, and not nothing."""
    found: list[tuple[int, int]] = []
    previous: object = None
    for code_point in range(sys.maxunicode + 1):
        value = has_property(code_point)
        if value and value == previous:
            found[-1] = (found[-1][0], code_point)
        elif value:
            found.append((code_point, code_point))
        previous = value
    return found


def combining_class(code_point: int) -> int:
    """Its class; 0, too, where tokenizers knows none and reorders nothing."""
    mark = chr(code_point)
    if not unicodedata.combining(mark) or nfd(mark) != mark:
        return 0
    known = nfd(mark + BELOW) == BELOW + mark or nfd(ABOVE + mark) == mark + ABOVE
    return unicodedata.combining(mark) if known else 0


def decompositions() -> list[list[int]]:
    """Each code point that has a canonical decomposition, and its one or two parts."""
    found = []
    for code_point in CODE_POINTS:
        mapping = unicodedata.decomposition(chr(code_point))
        if code_point in HANGUL or not mapping or mapping.startswith("<") or nfd(chr(code_point)) == chr(code_point):
            continue
        found.append([code_point, *(int(part, 16) for part in mapping.split())])
    return found


def compositions(rows: list[list[int]]) -> list[int]:
    """The rows whose two parts are composed again, sorted by the parts."""
    composed = [
        i for i, (whole, *parts) in enumerate(rows) if len(parts) == 2 and nfc("".join(map(chr, parts))) == chr(whole)
    ]
    return sorted(composed, key=lambda i: rows[i][1:])


def lower_case() -> list[tuple[int, int, int, int]]:
    """Runs of code points, every one or every second, that are the same distance from their lower case."""
    found: list[tuple[int, int, int, int]] = []
    for code_point in CODE_POINTS:
        text = chr(code_point)
        small = lower(text)
        if builtin.category(text) != "Cn" and small != text.lower():
            raise SystemExit(f"U+{code_point:04X}: tokenizers and Python disagree about its lower case")
        if small == text:
            continue
        if len(small) > 1:
            if (code_point, small) != (0x130, "i\u0307"):
                raise SystemExit(f"U+{code_point:04X} becomes {len(small)} code points")
            continue  # the only one, in the source below
        distance = ord(small) - code_point
        if found:
            first, last, step, run = found[-1]
            gap = code_point - last
            if run == distance and gap in (1, 2) and (last == first or gap == step):
                found[-1] = (first, code_point, gap, run)
                continue
        found.append((code_point, code_point, 1, distance))
    return found


def hexadecimal(values: Iterable[int]) -> str:
    return "{" + ", ".join(f"0x{value:X}" for value in values) + "}"


def table(declaration: str, items: Iterable[str]) -> str:
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > 120:
            lines.append(line)
            line = "   "
        line += f" {item},"
    lines.append(line)
    return f"{declaration} = {{\n" + "\n".join(lines) + "\n};\n"


def properties_source() -> str:
    letters = ranges(lambda c: unicodedata.category(chr(c)).startswith("L"))
    numbers = ranges(lambda c: unicodedata.category(chr(c)).startswith("N"))
    spaces = ranges(WHITE_SPACE.__contains__)
    cases = (f"{{0x{first:X}, 0x{last:X}, {step}, {distance}}}" for first, last, step, distance in lower_case())
    return f"""// Written by tools/make_unicode_tables.py from Unicode {unicodedata.unidata_version}: do not edit.
#include "runtime/unicode.h"

#include <algorithm>
#include <iterator>

namespace mm {{

namespace {{

struct Range {{
    char32_t first, last;
}};

// Every `step`-th code point of a range is `distance` from its lower case.
struct Case {{
    char32_t first, last, step;
    int distance;
}};

// clang-format off
{table("const Range kLetters[]", map(hexadecimal, letters))}
{table("const Range kNumbers[]", map(hexadecimal, numbers))}
{table("const Range kWhiteSpace[]", map(hexadecimal, spaces))}
{table("const Case kLowerCase[]", cases)}// clang-format on

template <typename T, size_t n>
const T* find(const T (&table)[n], char32_t code_point) {{
    const T* range = std::lower_bound(std::begin(table), std::end(table), code_point,
                                      [](const T& r, char32_t c) {{ return r.last < c; }});
    return range != std::end(table) && range->first <= code_point ? range : nullptr;
}}

}}  // namespace

bool is_letter(char32_t code_point) {{
    return find(kLetters, code_point) != nullptr;
}}

bool is_number(char32_t code_point) {{
    return find(kNumbers, code_point) != nullptr;
}}

bool is_white_space(char32_t code_point) {{
    return find(kWhiteSpace, code_point) != nullptr;
}}

LowerCase lower_case(char32_t code_point) {{
    if (code_point == 0x130) return {{'i', 0x307}};
    const Case* range = find(kLowerCase, code_point);
    if (!range || (code_point - range->first) % range->step != 0) return {{code_point, 0}};
    return {{static_cast<char32_t>(static_cast<int>(code_point) + range->distance), 0}};
}}

}}  // namespace mm
"""


def nfc_source() -> str:
    classes = ((*found, combining_class(found[0])) for found in ranges(combining_class))
    rows = decompositions()
    composed = compositions(rows)
    items = (f"{{0x{first:X}, 0x{last:X}, {value}}}" for first, last, value in classes)
    return f"""// Written by tools/make_unicode_tables.py from Unicode {unicodedata.unidata_version}: do not edit.
#include "runtime/unicode_nfc_tables.h"

namespace mm {{

// clang-format off
{table("const CombiningClass kCombiningClasses[]", items)}
{table("const Decomposition kDecompositions[]", map(hexadecimal, rows))}
{table("const uint16_t kCompositions[]", map(str, composed))}// clang-format on

const size_t kCombiningClassCount = sizeof kCombiningClasses / sizeof *kCombiningClasses;
const size_t kDecompositionCount = sizeof kDecompositions / sizeof *kDecompositions;
const size_t kCompositionCount = sizeof kCompositions / sizeof *kCompositions;

}}  // namespace mm
"""


if __name__ == "__main__":
    for name, source in (("unicode.cpp", properties_source()), ("unicode_nfc_tables.cpp", nfc_source())):
        (RUNTIME / name).write_text(source, encoding="utf-8")
        print(f"{RUNTIME / name}: Unicode {unicodedata.unidata_version}")
