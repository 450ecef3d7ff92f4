"""`python -m pyffi.cli`: the command, where its script is not on the PATH."""

from pyffi.cli import main

main(prog_name="multimodal")
