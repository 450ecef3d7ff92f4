"""The machine that figures belong to."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from pyffi.info import build_info

ROOT = Path(__file__).parents[1]


def machine() -> dict[str, Any]:
    info = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
    info = {key.strip(): value.strip() for key, value in info.items()}
    return {
        "processor": info.get("model name", platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "load": os.getloadavg()[0],
        "kernels": build_info()["kernels"]["used"],
        "compiler": build_info()["compiler"],
    }
