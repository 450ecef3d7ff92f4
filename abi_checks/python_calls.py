"""Calls between Python and compiled code, through ctypes and through cffi.

Usage: python -m abi_checks.python_calls SIDES HEADER

Python is a side of probes/sides.h, too: it calls the functions of the compiled ones, and they call it. What is broken
is printed, a line each; the last line says how many calls there were. A process of its own: a wrong call may end it.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cffi import FFI

from abi_checks.calling import Record, Scalar, Signature, Type, leaves
from abi_checks.calling import signatures as declared
from abi_checks.interface import read_interface
from abi_checks.sides import struct_definitions
from abi_checks.signatures import drawn, fixed

SEED, DRAWN = 1, 40


def filled(number: int, size: int) -> bytes:
    """As fill() of probes/sides.c."""
    return bytes((number << 4 | i & 15) if number else 0x0F - (i & 15) for i in range(size))


class Compiled:
    """The shared library of sides.py."""

    class Function(ctypes.Structure):
        _fields_ = (("callee", ctypes.c_void_p), ("call", ctypes.CFUNCTYPE(None, ctypes.c_void_p)))

    class Side(ctypes.Structure):
        pass

    Side._fields_ = (("name", ctypes.c_char_p), ("functions", ctypes.POINTER(Function)))

    def __init__(self, path: str) -> None:
        self.library = ctypes.CDLL(path)
        pointers = (ctypes.POINTER(self.Side) * 4).in_dll(self.library, "sides")
        self.sides = [(pointer.contents.name, pointer.contents.functions) for pointer in pointers if pointer]
        self.library.report_fault.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint,
                                              ctypes.c_uint, ctypes.c_char_p)  # fmt: skip

    def begin(self, calling: bytes, called: bytes, index: int) -> None:
        self.library.begin_call(calling, called, index)

    def expect(self, number: int, type_: Type, value: bytes) -> None:
        """As expect_scalar(), for all scalars of a value."""
        expected = filled(number, type_.size)
        for path, offset, scalar in leaves(type_):
            got = value[offset : offset + scalar.size]
            if got != expected[offset : offset + scalar.size]:
                self.library.report_fault(number, path.encode(), got, offset, scalar.size, b"")


# ---- ctypes ----------------------------------------------------------------------------------------------------------

SCALARS: dict[str, Any] = {
    "char": ctypes.c_char, "int8_t": ctypes.c_int8, "uint8_t": ctypes.c_uint8, "int16_t": ctypes.c_int16,
    "uint16_t": ctypes.c_uint16, "int32_t": ctypes.c_int32, "uint32_t": ctypes.c_uint32, "int64_t": ctypes.c_int64,
    "uint64_t": ctypes.c_uint64, "size_t": ctypes.c_size_t, "mm_status": ctypes.c_int32, "float": ctypes.c_float,
    "double": ctypes.c_double,
}  # fmt: skip


class Ctypes:
    name = b"ctypes"

    def __init__(self, all_signatures: Sequence[Signature]) -> None:
        self.records: dict[str, Any] = {}

    def type(self, type_: Type) -> Any:
        if isinstance(type_, Scalar):
            return SCALARS.get(type_.c, ctypes.c_void_p)
        if type_.c not in self.records:
            fields = [
                (field.name, self.type(field.type) * field.count if field.count else self.type(field.type))
                for field in type_.fields
            ]
            self.records[type_.c] = type(type_.c, (ctypes.Structure,), {"_fields_": fields})
        return self.records[type_.c]

    def made(self, type_: Type, value: bytes) -> Any:
        made = self.type(type_).from_buffer_copy(value)
        return made if isinstance(type_, Record) else made.value

    def bytes(self, type_: Type, value: Any) -> bytes:
        return bytes(value if isinstance(type_, Record) else self.type(type_)(value))

    def prototype(self, signature: Signature) -> Any:
        result = self.type(signature.result) if signature.result else None
        return ctypes.CFUNCTYPE(result, *(self.type(type_) for _, type_ in signature.parameters))

    def function(self, signature: Signature, address: int) -> Callable[..., Any]:
        function: Callable[..., Any] = self.prototype(signature)(address)
        return function

    def callback(self, signature: Signature, function: Callable[..., Any]) -> tuple[Any, int] | None:
        """What keeps it alive, and its address; None: ctypes has no callbacks that return structs."""
        if isinstance(signature.result, Record):
            return None
        made = self.prototype(signature)(function)
        return made, ctypes.cast(made, ctypes.c_void_p).value or 0


# ---- cffi, which calls functions by their address through libffi -----------------------------------------------------


class Cffi:
    name = b"cffi"

    def __init__(self, all_signatures: Sequence[Signature]) -> None:
        self.ffi = FFI()
        types = [type_ for s in all_signatures for type_ in (s.result, *(type_ for _, type_ in s.parameters))]
        self.ffi.cdef("".join(struct_definitions(types)))

    def c(self, type_: Type) -> str:
        pointer = isinstance(type_, Scalar) and type_.c not in SCALARS
        return "void *" if pointer else "int32_t" if type_.c == "mm_status" else type_.c

    def made(self, type_: Type, value: bytes) -> Any:
        pointer = self.ffi.new(f"{self.c(type_)} *")
        self.ffi.buffer(pointer)[:] = value
        return pointer[0]  # of a struct, this keeps the memory alive

    def bytes(self, type_: Type, value: Any) -> bytes:
        return bytes(self.ffi.buffer(self.ffi.new(f"{self.c(type_)} *", value)))

    def pointer(self, signature: Signature) -> str:
        parameters = ", ".join(self.c(type_) for _, type_ in signature.parameters) or "void"
        return f"{self.c(signature.result) if signature.result else 'void'} (*)({parameters})"

    def function(self, signature: Signature, address: int) -> Callable[..., Any]:
        function: Callable[..., Any] = self.ffi.cast(self.pointer(signature), address)
        return function

    def callback(self, signature: Signature, function: Callable[..., Any]) -> tuple[Any, int] | None:
        made = self.ffi.callback(self.pointer(signature), function)
        return made, int(self.ffi.cast("uintptr_t", made))


# ---- Both ------------------------------------------------------------------------------------------------------------


def call_all(bridge: Ctypes | Cffi, compiled: Compiled, all_signatures: Sequence[Signature]) -> int:
    calls = 0
    for name, functions in compiled.sides:
        for index, signature in enumerate(all_signatures):
            function = functions[index]
            compiled.begin(bridge.name, name, index)
            _call(bridge, compiled, signature, function.callee)
            made = bridge.callback(signature, _answering(bridge, compiled, signature))
            calls += 1
            if made:
                compiled.begin(name, bridge.name, index)
                function.call(made[1])
                calls += 1
    return calls


def _call(bridge: Ctypes | Cffi, compiled: Compiled, signature: Signature, address: int) -> None:
    arguments = [
        bridge.made(type_, filled(number, type_.size)) for number, (_, type_) in enumerate(signature.parameters, 1)
    ]
    result = bridge.function(signature, address)(*arguments)
    if signature.result:
        compiled.expect(0, signature.result, bridge.bytes(signature.result, result))
    for number, (argument, (_, type_)) in enumerate(zip(arguments, signature.parameters, strict=True), 1):
        compiled.expect(number, type_, bridge.bytes(type_, argument))  # as it was: the callee has a copy


def _answering(bridge: Ctypes | Cffi, compiled: Compiled, signature: Signature) -> Callable[..., Any]:
    def answer(*arguments: Any) -> Any:
        for number, (argument, (_, type_)) in enumerate(zip(arguments, signature.parameters, strict=True), 1):
            compiled.expect(number, type_, bridge.bytes(type_, argument))
        return bridge.made(signature.result, filled(0, signature.result.size)) if signature.result else None

    return answer


def main(sides: str, header: str) -> None:
    all_signatures = [*declared(read_interface(Path(header))).values(), *fixed(), *drawn(SEED, DRAWN)]
    compiled = Compiled(sides)
    calls = sum(call_all(kind(all_signatures), compiled, all_signatures) for kind in (Ctypes, Cffi))
    compiled.library.fflush(None)
    print(f"calls: {calls}")


if __name__ == "__main__":
    main(*sys.argv[1:])
