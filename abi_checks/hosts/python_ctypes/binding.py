"""ctypes for what a header declares: its structs, types of callbacks, and the library's functions with prototypes.

binding = Binding(interface, "libmultimodal.so.1")
binding.mm_vad_options(threshold=0.5)
binding.mm_abi_version()
"""

from __future__ import annotations

import ctypes
from typing import Any

SCALARS = {
    "char": ctypes.c_char,
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "int64_t": ctypes.c_int64,
    "uint64_t": ctypes.c_uint64,
    "uint8_t": ctypes.c_uint8,
    "size_t": ctypes.c_size_t,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    "mm_status": ctypes.c_int32,
    "void": None,
}


class Binding:
    """Attributes are what the header declares, by its names."""

    def __init__(self, interface: dict[str, Any], library: str) -> None:
        self._types: dict[str, Any] = dict(SCALARS)
        self._types |= dict.fromkeys(interface["handles"], None)  # pointers to them are void *
        structs: dict[str, Any] = {
            item["name"]: type(item["name"], (ctypes.Structure,), {}) for item in interface["structs"]
        }
        self._types |= structs
        for item in interface["callbacks"]:
            arguments = [self._type(parameter["type"]) for parameter in item["parameters"]]
            self._types[item["name"]] = ctypes.CFUNCTYPE(self._type(item["result"]), *arguments)
        for item in interface["structs"]:
            structs[item["name"]]._fields_ = [
                (
                    field["name"],
                    self._type(field["type"]) * field["count"] if field["count"] else self._type(field["type"]),
                )
                for field in item["fields"]
            ]
        loaded = ctypes.CDLL(library)
        for item in interface["functions"]:
            function = getattr(loaded, item["name"])
            function.restype = self._type(item["result"])
            function.argtypes = [self._type(parameter["type"]) for parameter in item["parameters"]]
            self._types[item["name"]] = function
        self._types |= interface["constants"]

    def __getattr__(self, name: str) -> Any:
        try:
            return self._types[name]
        except KeyError:
            raise AttributeError(f"the header does not declare {name}") from None

    def _type(self, declared: str) -> Any:
        """The type that C writes as "const float *"."""
        words = declared.replace("*", " * ").split()
        is_const = words[0] == "const"
        base, depth = words[is_const], words.count("*")
        if base == "char" and depth and is_const:
            return ctypes.c_char_p
        found = self._types[base]
        # What has no type in ctypes, and text, of which c_char_p would make bytes that nobody could free.
        if depth and (found is None or base == "char"):
            found, depth = ctypes.c_void_p, depth - 1
        for _ in range(depth):
            found = ctypes.POINTER(found)
        return found
