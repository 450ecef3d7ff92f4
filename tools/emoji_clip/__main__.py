"""python -m tools.emoji_clip train|evaluate|export WORK

WORK is a folder for downloads, checkpoints and results. Needs PyTorch, tokenizers, Pillow, resvg-py and npm.
"""

from __future__ import annotations

import argparse
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
commands = parser.add_subparsers(dest="command", required=True)
for name, help_text in (
    ("train", "train for a time, leaving final.pt in WORK"),
    ("evaluate", "print how well pictures and names find each other"),
    ("export", "write the model file, and PyTorch's answers for the test of it"),
):
    command = commands.add_parser(name, help=help_text)
    command.add_argument("work", type=Path)
    if name == "train":
        command.add_argument("--minutes", type=float, default=65)
        command.add_argument("--seed", type=int, default=1)
        command.add_argument("--start", help="file in WORK to go on from, with the whole schedule once more")
    else:
        command.add_argument("--checkpoint", default="final.pt", help="file in WORK")
arguments = parser.parse_args()
if arguments.command == "train":
    from .train import train

    start = arguments.work / arguments.start if arguments.start else None
    train(arguments.work, arguments.minutes, arguments.seed, start)
elif arguments.command == "evaluate":
    from .evaluate import evaluate

    evaluate(arguments.work, arguments.work / arguments.checkpoint)
else:
    from .export import export  # which needs this package itself, and so its library

    export(arguments.work, arguments.work / arguments.checkpoint)
