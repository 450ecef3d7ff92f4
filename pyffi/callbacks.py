"""The functions that C calls, and the rules they keep.

1. A call that takes callbacks makes one `Callbacks` payload; the handle that `install` returns is the `user_data` of C
   and is kept alive by the object that makes the call (not by the payload, which would be a cycle).
2. Each trampoline finds its payload by that handle and returns 0 to go on, or 1 to stop.
3. No exception reaches C. `_store` keeps it on the payload, cffi returns 1 for the trampoline, C stops with
   MM_ERROR_ABORTED, and `Callbacks.raise_stored` raises the original in the frame that made the call. That is true for
   KeyboardInterrupt too: Python runs signal handlers when a trampoline is entered, which C does every few milliseconds.
4. Trampolines run on the thread that made the call, holding the GIL; cffi releases it again when they return.
5. Calling back in on the object that is busy raises BusyError.
"""

from __future__ import annotations

import atexit
import logging
import math
from collections.abc import Callable
from types import TracebackType
from typing import Any

from pyffi._ffi import ffi, lib
from pyffi.buffers import as_integer
from pyffi.errors import InvalidArgument, raise_for, text
from pyffi.results import Token

TokenCallback = Callable[[Token], object]
ProgressCallback = Callable[[float, "float | None"], object]

MAX_THREADS = 65536

logger = logging.getLogger("pyffi")


class Callbacks:
    """The payload of one call: what the user wants called, and the exception that stopped the call."""

    def __init__(self, on_token: TokenCallback | None, on_progress: ProgressCallback | None) -> None:
        for name, callback in (("on_token", on_token), ("on_progress", on_progress)):
            if callback is not None and not callable(callback):
                raise InvalidArgument(f"{name} must be callable, not {callback!r}")
        self.on_token = on_token
        self.on_progress = on_progress
        self.duration: float | None = None  # of the whole audio, where its source knows it before C does
        self.error: BaseException | None = None

    def install(self, options: Any) -> Any:
        """Points the callbacks of mm_transcribe_options here. The abort hook is what makes Ctrl-C work."""
        handle = ffi.new_handle(self)
        options.should_abort = lib.pyffi_should_abort
        if self.on_token is not None:
            options.on_token = lib.pyffi_on_token
        if self.on_progress is not None:
            options.on_progress = lib.pyffi_on_progress
        options.user_data = handle
        return handle

    def raise_stored(self) -> None:
        """Raises what a callback raised, once."""
        error, self.error = self.error, None
        if error is not None:
            raise error


class Run:
    """The mm_run_options * of one call, `c`. Its abort hook is what makes Ctrl-C work."""

    def __init__(self, threads: int | None = None) -> None:
        self._callbacks = Callbacks(None, None)
        self._user_data = ffi.new_handle(self._callbacks)
        self.c = ffi.new("mm_run_options *", {"struct_size": ffi.sizeof("mm_run_options")})
        self.c.threads = 0 if threads is None else as_integer(threads, "threads", 0, MAX_THREADS)
        self.c.should_abort = lib.pyffi_should_abort
        self.c.user_data = self._user_data

    def check(self, status: int, error_out: Any) -> None:
        """Raises for a status that is not MM_OK: what a signal handler raised, else what the library says."""
        if self._callbacks.error is not None:
            lib.mm_free(error_out[0])
            self._callbacks.raise_stored()
        if status:
            raise_for(status, error_out)


def _store(_: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Called by cffi for an exception that leaves a trampoline, whose frame still knows the payload."""
    if traceback is not None:
        ffi.from_handle(traceback.tb_frame.f_locals["user_data"]).error = error


def _stops(answer: object) -> int:
    """Only True stops: a callback may end with a call that returns something, such as file.write()."""
    return 1 if answer is True else 0


@ffi.def_extern("pyffi_on_token", error=1, onerror=_store)
def _on_token(token: Any, user_data: Any) -> int:
    return _stops(ffi.from_handle(user_data).on_token(Token.from_c(token)))


@ffi.def_extern("pyffi_on_progress", error=1, onerror=_store)
def _on_progress(seconds_done: float, seconds_total: float, user_data: Any) -> int:
    callbacks = ffi.from_handle(user_data)
    total = callbacks.duration if seconds_total < 0 or math.isnan(seconds_total) else seconds_total
    return _stops(callbacks.on_progress(seconds_done, total))


@ffi.def_extern("pyffi_should_abort", error=1, onerror=_store)
def _should_abort(user_data: Any) -> int:
    return 0  # entering Python was the point: a pending signal raises here


_LEVELS = {lib.MM_LOG_DEBUG: logging.DEBUG, lib.MM_LOG_INFO: logging.INFO, lib.MM_LOG_WARNING: logging.WARNING}


@ffi.def_extern("pyffi_on_log")
def _on_log(level: int, message: Any, user_data: Any) -> None:
    logger.log(_LEVELS.get(level, logging.WARNING), "%s", text(message))


def forward_logs(enable: bool = True) -> None:
    """Sends the library's log lines to Python's logger "pyffi", from whatever thread they come; or stops doing so."""
    lib.mm_set_log_callback(lib.pyffi_on_log if enable else ffi.NULL, ffi.NULL)
    if enable:
        atexit.register(forward_logs, False)
    else:
        atexit.unregister(forward_logs)
