"""Copies Twemoji's pictures of single code points, so neither skin tones nor flags, from their package to a folder.

python tools/make_demo_pictures.py FOLDER
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

FETCH = Path(__file__).resolve().parents[1] / "clib" / "third_party" / "fetch.py"


def main(folder: Path) -> None:
    package = subprocess.run([sys.executable, FETCH, "twemoji-pictures"], check=True, stdout=subprocess.PIPE, text=True)
    folder.mkdir(parents=True, exist_ok=True)
    for path in Path(package.stdout.strip()).glob("*.png"):
        if "-" not in path.name and not (folder / path.name).exists():
            shutil.copyfile(path, folder / path.name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
