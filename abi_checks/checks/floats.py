"""Numbers: every build computes the same on every processor, to the last bit."""

from __future__ import annotations

from abi_checks.certificate import certify, differing_operations
from abi_checks.checks import Failed, Subject, check
from abi_checks.floats import REFERENCE, compare

FEW, MANY = 5, 20  # of each kind
# Without fused multiply-adds, which are then computed in software: in emulation a transcript takes a minute, and those
# that the conformance programs make must do.
WITHOUT_FMA = ("Nehalem", "cortex-a8")


@check()
def build_is_certified(subject: Subject) -> str:
    """No file is compiled to fuse, reorder or widen sums, and loading the library changes no arithmetic"""
    return certify(subject)


@check(where="platform")
def processor_computes_the_same(subject: Subject) -> None:
    """Sums, products, quotients, roots and conversions are this machine's: an emulator can be trusted with floats"""
    differing = differing_operations(subject, REFERENCE)
    if differing:
        raise Failed(f"{subject.platform.name} computes otherwise than {REFERENCE.name}: {', '.join(differing)}")


@check(where="machine")
def results_are_the_same(subject: Subject) -> str:
    """Audio, tensors, transcripts, pictures, tokens and embeddings of drawn inputs have the reference's bits"""
    return _compare(subject, FEW)


@check(tier="full", where="platform")
def many_results_are_the_same(subject: Subject) -> str:
    """The same for some hundred inputs more"""
    return _compare(subject, MANY)


def _compare(subject: Subject, n: int) -> str:
    if subject.platform.cpu in WITHOUT_FMA:
        return compare(subject, FEW, without="transcription")
    return compare(subject, n)
