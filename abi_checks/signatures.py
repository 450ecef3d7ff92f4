"""Signatures to call across compilers: fixed ones for what conventions treat apart, and drawn ones for what nobody
thought of. Names of parameters are a1, a2 and so on."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from abi_checks.calling import Field, Record, Scalar, Signature, Type

INTEGERS = tuple(
    Scalar(name, size)
    for name, size in (
        ("int8_t", 1), ("uint8_t", 1), ("int16_t", 2), ("uint16_t", 2), ("int32_t", 4), ("uint32_t", 4),
        ("int64_t", 8), ("uint64_t", 8), ("const void *", 8),
    )
)  # fmt: skip
I8, U8, I16, U16, I32, U32, I64, U64, POINTER = INTEGERS
FLOAT, DOUBLE = Scalar("float", 4, True), Scalar("double", 8, True)
SCALARS = (*INTEGERS, FLOAT, DOUBLE)
MOST_PARAMETERS = 15


def signature(name: str, result: Type | None, *parameters: Type) -> Signature:
    if len(parameters) > MOST_PARAMETERS:
        raise ValueError(f"{name} has {len(parameters)} parameters: no byte can say which")
    return Signature(name, result, tuple((f"a{i}", type_) for i, type_ in enumerate(parameters, 1)))


def struct(name: str, *types: Type | tuple[Type, int]) -> Record:
    fields = [(type_, 0) if isinstance(type_, (Scalar, Record)) else type_ for type_ in types]
    return Record(name, tuple(Field(f"f{i}", type_, count) for i, (type_, count) in enumerate(fields)))


FLOATS = tuple(struct(f"float{n}", *[FLOAT] * n) for n in range(1, 6))  # five are no homogeneous aggregate
DOUBLES = tuple(struct(f"double{n}", *[DOUBLE] * n) for n in range(1, 6))
PAIR = struct("pair16", I64, I64)
STRUCTS = (
    *FLOATS,
    *DOUBLES,
    struct("array_of_floats", (FLOAT, 3)),
    struct("nested_floats", FLOATS[1], (FLOAT, 2)),
    struct("bytes3", (U8, 3)),
    struct("mixed8", I32, FLOAT),
    struct("mixed8_too", FLOAT, U16, I8),
    struct("floats_and_double", FLOAT, FLOAT, DOUBLE),  # not homogeneous
    struct("mixed16", DOUBLE, I64),
    struct("mixed16_too", U32, FLOAT, DOUBLE),
    PAIR,
    struct("nested16", struct("inner8", I16, FLOAT), DOUBLE),
    struct("padded24", U8, I64, U8),
    struct("chunk24", POINTER, U64, U32),
    struct("doubles24", DOUBLE, DOUBLE, I64),
)


def fixed() -> Iterator[Signature]:
    for type_ in SCALARS:
        yield signature(f"returns_{type_.c.replace(' ', '_').replace('*', 'pointer')}", type_, type_)
    for record in STRUCTS:  # the struct, what follows it; the struct as result, which may be where the argument was
        yield signature(f"takes_{record.c}", I32, record, FLOAT, I32, DOUBLE)
        yield signature(f"returns_{record.c}", record, record)
    yield signature("integers15", I64, *(INTEGERS * 2)[:15])
    yield signature("floats15", FLOAT, *[FLOAT] * 15)
    yield signature("doubles15", DOUBLE, *[DOUBLE] * 15)
    yield signature("mixed15", DOUBLE, *([I8, FLOAT, U16, DOUBLE, I32, FLOAT, U64, DOUBLE] * 2)[:15])
    yield signature("narrow_on_stack", U16, *[I64] * 8, I8, U16, FLOAT, I32, U8)
    yield signature("hidden_result15", STRUCTS[-2], *([I32, DOUBLE, FLOAT] * 5))
    # Structs for which too few registers are left: what comes after them may get those, or not.
    yield signature("pair_after_five", I32, *[I64] * 5, PAIR, I32)
    yield signature("pair_after_seven", I32, *[I64] * 7, PAIR, I32, I32)
    yield signature("floats_after_six", I32, *[FLOAT] * 6, FLOATS[2], FLOAT, DOUBLES[1])
    yield signature("doubles_after_five", I32, *[DOUBLE] * 5, DOUBLES[3], DOUBLE, I32)
    yield signature("chunks", I32, STRUCTS[-2], STRUCTS[-2], I32, STRUCTS[-2])
    # What a callback is like: a struct, floats, integers and its user data.
    yield signature("callback", I32, STRUCTS[-2], FLOAT, I32, FLOATS[3], DOUBLE, POINTER)


def drawn(seed: int, n: int) -> Iterator[Signature]:
    """n signatures; each depends on its own seed only, which its name tells: drawn_SEED."""
    for own in range(seed, seed + n):
        random_ = random.Random(own)
        records = [_draw_struct(random_, f"struct_{own}_{i}", 2) for i in range(random_.randint(1, 3))]

        def draw(random_: random.Random = random_, records: Sequence[Record] = records) -> Type:
            return random_.choice(records) if random_.random() < 0.4 else random_.choice(SCALARS)

        parameters = [draw() for _ in range(random_.randint(1, MOST_PARAMETERS))]
        yield signature(f"drawn_{own}", draw() if random_.random() < 0.85 else None, *parameters)


def _draw_struct(random_: random.Random, name: str, depth: int) -> Record:
    if random_.random() < 0.3:
        return struct(name, *[random_.choice((FLOAT, DOUBLE))] * random_.randint(1, 5))
    fields: list[Type | tuple[Type, int]] = []
    for i in range(random_.randint(1, 4)):
        nests = depth > 0 and random_.random() < 0.2
        type_ = _draw_struct(random_, f"{name}_{i}", depth - 1) if nests else random_.choice(SCALARS)
        fields.append((type_, random_.randint(1, 4)) if random_.random() < 0.15 else type_)
    return struct(name, *fields)
