"""In which register or stack slot each argument and result travels: System V for x86-64, and AAPCS64 for AArch64.

Both standards, for what a header such as ours can say: integers, pointers, float, double, and structs of them without
packing or alignment attributes. `travel` classifies a signature; `argument_table` gives that of all public functions as
plain data. checks/calls.py compares it with what the compilers do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from abi_checks.interface import Function, Interface, Variable


@dataclass(frozen=True)
class Scalar:
    c: str  # the type in C
    size: int
    is_float: bool = False

    @property
    def alignment(self) -> int:
        return self.size


@dataclass(frozen=True)
class Field:
    name: str
    type: Type
    count: int = 0  # of an array's elements; 0: none


@dataclass(frozen=True)
class Record:
    c: str
    fields: tuple[Field, ...]

    @property
    def alignment(self) -> int:
        return max(field.type.alignment for field in self.fields)

    @property
    def size(self) -> int:
        *_, end = self._offsets()
        return -(-end // self.alignment) * self.alignment

    def _offsets(self) -> Iterator[int]:
        """Of each field, then the end of the last."""
        end = 0
        for field in self.fields:
            start = -(-end // field.type.alignment) * field.type.alignment
            yield start
            end = start + field.type.size * (field.count or 1)
        yield end

    def leaves(self, path: str = "", base: int = 0) -> Iterator[tuple[str, int, Scalar]]:
        """Each scalar inside: how C reaches it from the struct, at which byte it is, what it is."""
        for field, start in zip(self.fields, self._offsets(), strict=False):
            for i in range(field.count or 1):
                inner = f"{path}.{field.name}" + (f"[{i}]" if field.count else "")
                offset = base + start + i * field.type.size
                if isinstance(field.type, Record):
                    yield from field.type.leaves(inner, offset)
                else:
                    yield inner, offset, field.type


Type: TypeAlias = Scalar | Record


def leaves(type_: Type) -> list[tuple[str, int, Scalar]]:
    return list(type_.leaves()) if isinstance(type_, Record) else [("", 0, type_)]


@dataclass(frozen=True)
class Signature:
    name: str
    result: Type | None
    parameters: tuple[tuple[str, Type], ...]

    def __str__(self) -> str:
        parameters = ", ".join(f"{type_.c} {name}" for name, type_ in self.parameters)
        return f"{self.result.c if self.result else 'void'} {self.name}({parameters or 'void'})"


# ---- What the header declares ----------------------------------------------------------------------------------------

SIZES = {"char": 1, "int8_t": 1, "uint8_t": 1, "int16_t": 2, "uint16_t": 2, "int32_t": 4, "uint32_t": 4, "int64_t": 8,
         "uint64_t": 8, "size_t": 8, "mm_status": 4, "float": 4, "double": 8}  # fmt: skip


def signatures(interface: Interface) -> dict[str, Signature]:
    """Those of the public functions and callbacks."""
    records: dict[str, Record] = {}

    def type_of(variable: Variable) -> Type:
        name = variable.type
        if name in records:
            return records[name]
        if name.endswith("*") or any(name == callback.name for callback in interface.callbacks):
            return Scalar(name, 8)
        return Scalar(name, SIZES[name], name in ("float", "double"))

    def signature_of(function: Function) -> Signature:
        result = None if function.result == "void" else type_of(Variable("", function.result))
        return Signature(function.name, result, tuple((p.name, type_of(p)) for p in function.parameters))

    for struct in interface.structs:
        fields = tuple(Field(field.name, type_of(field), field.count) for field in struct.fields)
        records[struct.name] = Record(struct.name, fields)
    return {function.name: signature_of(function) for function in (*interface.functions, *interface.callbacks)}


# ---- Where it travels ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Some bytes of a value, and where they are when the callee starts (for results: when it returns)."""

    offset: int
    size: int
    where: str  # "rdi", "xmm2", "x3", "v4" (its lowest bytes, also called s4 and d4) or "stack"
    at: int = 0  # on the stack: bytes above the stack pointer, before the call pushes a return address


@dataclass(frozen=True)
class Passing:
    name: str
    type: Type
    places: tuple[Place, ...]
    is_address: bool = False  # what travels there is the address of the value


@dataclass(frozen=True)
class Travel:
    parameters: tuple[Passing, ...]
    result: Passing | None


Machine: TypeAlias = Literal["x86_64", "aarch64"]
INTEGERS: Mapping[str, tuple[str, ...]] = {
    "x86_64": ("rdi", "rsi", "rdx", "rcx", "r8", "r9"),
    "aarch64": tuple(f"x{i}" for i in range(8)),
}
VECTORS: Mapping[str, tuple[str, ...]] = {
    "x86_64": tuple(f"xmm{i}" for i in range(8)),
    "aarch64": tuple(f"v{i}" for i in range(8)),
}


class _Allocator:
    """Registers that are left, and the end of the stack arguments."""

    def __init__(self, machine: str) -> None:
        self.integers, self.vectors = list(INTEGERS[machine]), list(VECTORS[machine])
        self.stack = 0

    def on_stack(self, type_: Type) -> tuple[Place, ...]:
        place = Place(0, type_.size, "stack", self.stack)
        self.stack += -(-type_.size // 8) * 8
        return (place,)


def travel(signature: Signature, machine: str) -> Travel:
    return _CONVENTIONS[machine](signature)


def _eightbytes(type_: Type) -> list[Literal["integer", "sse"]] | None:
    """System V, 3.2.3: the class of each eight bytes; None: MEMORY."""
    if type_.size > 16:
        return None
    classes: list[Literal["integer", "sse"]] = ["sse"] * (-(-type_.size // 8))
    for _, offset, scalar in leaves(type_):
        if not scalar.is_float:
            classes[offset // 8] = "integer"
    return classes


def _system_v(signature: Signature) -> Travel:
    left = _Allocator("x86_64")
    result = _system_v_result(signature.result, left) if signature.result else None
    parameters = []
    for name, type_ in signature.parameters:
        classes = _eightbytes(type_)
        fits = classes is not None and (
            classes.count("integer") <= len(left.integers) and classes.count("sse") <= len(left.vectors)
        )
        if classes is None or not fits:  # a struct is never split between registers and stack
            places = left.on_stack(type_)
        else:
            registers = [(left.integers if kind == "integer" else left.vectors).pop(0) for kind in classes]
            places = _pieces(type_, registers, 8)
        parameters.append(Passing(name, type_, places))
    return Travel(tuple(parameters), result)


def _system_v_result(type_: Type, left: _Allocator) -> Passing:
    classes = _eightbytes(type_)
    if classes is None:  # the caller says where, in a hidden first argument
        return Passing("returns", type_, (Place(0, 8, left.integers.pop(0)),), is_address=True)
    integers, vectors = ["rax", "rdx"], ["xmm0", "xmm1"]
    registers = [(integers if kind == "integer" else vectors).pop(0) for kind in classes]
    return Passing("returns", type_, _pieces(type_, registers, 8))


def _pieces(type_: Type, registers: list[str], width: int) -> tuple[Place, ...]:
    return tuple(Place(i * width, min(width, type_.size - i * width), name) for i, name in enumerate(registers))


def _float_members(type_: Type) -> tuple[int, int] | None:
    """AAPCS64, 5.9.5: number and size of the members of a homogeneous floating-point aggregate (or a lone float)."""
    members = [scalar for _, _, scalar in leaves(type_)]
    if len(members) <= 4 and all(scalar.is_float and scalar.size == members[0].size for scalar in members):
        return len(members), members[0].size
    return None


def _aapcs64(signature: Signature) -> Travel:
    left = _Allocator("aarch64")
    parameters = []
    for name, type_ in signature.parameters:
        floats = _float_members(type_)
        is_address = False
        if floats:
            if floats[0] <= len(left.vectors):  # C.1, C.2
                places = _pieces(type_, [left.vectors.pop(0) for _ in range(floats[0])], floats[1])
            else:  # C.3: no later argument gets what is left
                left.vectors.clear()
                places = left.on_stack(type_)
        else:
            is_address = isinstance(type_, Record) and type_.size > 16  # B.4: the caller makes a copy
            passed = Scalar("void *", 8) if is_address else type_
            n = -(-passed.size // 8)
            if n <= len(left.integers):  # C.9, C.12
                places = _pieces(passed, [left.integers.pop(0) for _ in range(n)], 8)
            else:  # C.13
                left.integers.clear()
                places = left.on_stack(passed)
        parameters.append(Passing(name, type_, places, is_address))
    return Travel(tuple(parameters), _aapcs64_result(signature.result) if signature.result else None)


def _aapcs64_result(type_: Type) -> Passing:
    """6.9: where it would travel as the only argument, but that the address of memory for it is in x8."""
    floats = _float_members(type_)
    if floats:
        return Passing("returns", type_, _pieces(type_, [f"v{i}" for i in range(floats[0])], floats[1]))
    if type_.size > 16:
        return Passing("returns", type_, (Place(0, 8, "x8"),), is_address=True)
    return Passing("returns", type_, _pieces(type_, ["x0", "x1"][: -(-type_.size // 8)], 8))


_CONVENTIONS: Mapping[str, Callable[[Signature], Travel]] = {"x86_64": _system_v, "aarch64": _aapcs64}


# ---- As data ---------------------------------------------------------------------------------------------------------


def argument_table(interface: Interface, machine: str) -> list[dict[str, Any]]:
    """For each public function and callback: what travels where, in words.

    {"name": "mm_resample", "arguments": [{"name": "chunk", "type": "mm_audio_chunk", "slot": "stack, bytes 0 to 24"},
    ...]}; the last "argument" is the result, named "returns". On AArch64 the slot of that chunk is "address in x0".
    """
    table = []
    for name, signature in signatures(interface).items():
        way = travel(signature, machine)
        passings = (*way.parameters, *([way.result] if way.result else []))
        arguments = [{"name": p.name, "type": p.type.c, "slot": slot(p)} for p in passings]
        table.append({"name": name, "arguments": arguments})
    return table


def slot(passing: Passing) -> str:
    places = ", ".join(
        f"stack, bytes {place.at} to {place.at + place.size}" if place.where == "stack" else place.where
        for place in passing.places
    )
    return f"address in {places}" if passing.is_address else places
