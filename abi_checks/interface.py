"""The header as data: what its plain region declares, read by the parser that cffi uses.

All that is generated from the header (golden layouts, ctypes, the tables that hosts print) is generated from this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pycparser import c_ast, c_generator, c_parser

import ffi_build

# What the header includes <stddef.h> and <stdint.h> for.
PRELUDE = "".join(
    f"typedef {meaning} {name};\n"
    for name, meaning in {
        "int8_t": "signed char",
        "uint8_t": "unsigned char",
        "int16_t": "short",
        "uint16_t": "unsigned short",
        "int32_t": "int",
        "uint32_t": "unsigned int",
        "int64_t": "long long",
        "uint64_t": "unsigned long long",
        "size_t": "unsigned long",
    }.items()
)


@dataclass(frozen=True)
class Variable:
    """A field or parameter. `type` is C without the name: "const float *", "mm_audio_chunk", "char"."""

    name: str
    type: str
    count: int = 0  # of an array's elements; 0: none


@dataclass(frozen=True)
class Struct:
    name: str
    fields: tuple[Variable, ...]


@dataclass(frozen=True)
class Function:
    """A function, or the type of a callback."""

    name: str
    result: str
    parameters: tuple[Variable, ...]


@dataclass(frozen=True)
class Interface:
    constants: dict[str, int]  # macros and enumerators, in the header's order
    structs: tuple[Struct, ...]
    handles: tuple[str, ...]  # opaque structs
    callbacks: tuple[Function, ...]
    functions: tuple[Function, ...]


@cache
def read_interface(header: Path = ffi_build.HEADER) -> Interface:
    region = re.sub(r"\bMM_API\s+", "", ffi_build.plain_region(header.read_text(encoding="utf-8")))
    constants = {name: int(value) for name, value in re.findall(r"^#define\s+(\w+)\s+(\d+)\s*$", region, re.MULTILINE)}
    code = re.sub(r"^#.*$", "", re.sub(r"/\*.*?\*/", "", region, flags=re.DOTALL), flags=re.MULTILINE)
    structs, handles, callbacks, functions = [], [], [], []
    for node in c_parser.CParser().parse(PRELUDE + code).ext[PRELUDE.count("\n") :]:
        declared = node.type
        if isinstance(node, c_ast.Typedef) and isinstance(declared.type, c_ast.Struct):
            if declared.type.decls:
                structs.append(Struct(node.name, tuple(_variables(declared.type.decls))))
            else:
                handles.append(node.name)
        elif isinstance(node, c_ast.Typedef) and isinstance(declared, c_ast.PtrDecl):
            callbacks.append(_function(node.name, declared.type))
        elif isinstance(declared, c_ast.FuncDecl):
            functions.append(_function(node.name, declared))
        elif isinstance(declared, c_ast.Enum):
            constants |= {item.name: int(_source(item.value)) for item in declared.values.enumerators}
        elif not isinstance(node, c_ast.Typedef):
            raise ValueError(f"{header.name}: {_source(node)} is neither type, constant nor function")
    return Interface(constants, tuple(structs), tuple(handles), tuple(callbacks), tuple(functions))


def _function(name: str, declared: c_ast.FuncDecl) -> Function:
    parameters = tuple(_variables(declared.args.params)) if declared.args else ()
    return Function(name, _type(declared.type), () if parameters == (Variable("", "void"),) else parameters)


def _variables(nodes: list[c_ast.Node]) -> Iterator[Variable]:
    for node in nodes:
        declared, count = node.type, 0
        if isinstance(declared, c_ast.ArrayDecl):
            declared, count = declared.type, int(_source(declared.dim))
        yield Variable(node.name or "", _type(declared), count)


def _type(node: c_ast.Node) -> str:
    if isinstance(node, c_ast.PtrDecl):
        inner = _type(node.type)
        return inner + ("*" if inner.endswith("*") else " *")
    return " ".join([*node.quals, *node.type.names])


def _source(node: c_ast.Node) -> str:
    return str(c_generator.CGenerator().visit(node))
