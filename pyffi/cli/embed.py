"""`multimodal embed`: pictures or texts in, embeddings out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import click

from pyffi.buffers import Floats
from pyffi.cli import one_line, options
from pyffi.cli.failures import Failures
from pyffi.cli.files import STDIN, argument, expand_pictures, standard_input
from pyffi.cli.progress import counted, tally
from pyffi.clip import BATCH, Clip
from pyffi.embeddings import FORMATS, Block, Format, Space, check_same_space, json_line
from pyffi.errors import InvalidArgument
from pyffi.unfinished import Stamp, Unfinished


class Row(NamedTuple):
    """The embedding of one source, or why there is none."""

    source: str
    embedding: Floats | None
    error: str


@click.command()
@click.argument("inputs", nargs=-1, type=argument)
@options.clip_model
@click.option("--text", "texts", multiple=True, metavar="TEXT", help="Embed this text; may be given several times.")
@click.option("--texts", "texts_file", type=argument, metavar="FILE", help='Embed each line of a file; "-": of stdin.')
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help=f"FILE{', FILE'.join(f'.{name}' for name in FORMATS)}.  [default: print JSON lines]",
)
@click.option("-f", "--format", "format_name", type=click.Choice(list(FORMATS)), help="[default: of FILE's suffix]")
@click.option("--append", is_flag=True, help="Add to FILE what it does not have yet.")
@click.option("--overwrite", is_flag=True, help="Replace FILE.")
@click.option("--normalize/--no-normalize", default=True, show_default=True, help="Scale embeddings to length 1.")
@options.exif_orientation
@options.max_pixels
@options.threads
@options.quiet
@click.pass_context
def embed(
    ctx: click.Context,
    /,
    inputs: Sequence[str],
    model: str,
    texts: Sequence[str],
    texts_file: str | None,
    output: Path | None,
    format_name: str | None,
    append: bool,
    overwrite: bool,
    normalize: bool,
    exif_orientation: bool | None,
    max_pixels: int,
    threads: int | None,
    quiet: bool,
) -> None:
    """Embed pictures or texts.

    INPUTS are files, folders, and patterns such as "*.jpg"; "-" reads their names from standard input, one a line or
    with NULs between, as `find -print0` writes them. What cannot be read is listed at the end, and all else is written.
    An interrupted run with --output goes on where it stopped when the command is given again.
    """
    has_texts = bool(texts) or texts_file is not None
    if has_texts == bool(inputs):
        raise click.UsageError("give either INPUTS, or --text or --texts")
    if append and overwrite:
        raise click.UsageError("give either --append or --overwrite")
    chosen = choose_format(output, format_name)
    chosen.check_available()
    if output is not None and output.exists() and not (append or overwrite):
        raise click.ClickException(f"{output} exists: --append adds to it, --overwrite replaces it")

    failures = Failures()
    sources = read_texts(texts, texts_file, failures) if has_texts else expand_pictures(inputs, failures.add_error)
    what = "texts" if has_texts else "pictures"
    if not sources and not failures.messages:
        raise click.ClickException(f"no {what} in {', '.join(inputs) or texts_file}")
    count = len(sources) + len(failures.messages)
    with options.open_clip(model, quiet=quiet) as clip:
        space = Space.of(clip, normalize=normalize)

        def rows_of(sources: Sequence[str]) -> Iterator[Row]:
            if has_texts:
                return embed_texts(clip, sources, normalize, threads)
            return embed_pictures(clip, sources, normalize, exif_orientation, max_pixels, threads)

        with tally("Embedding", not quiet) as on_progress:
            if output is None:
                for row in counted(rows_of(sources), len(sources), on_progress):
                    if row.embedding is None:
                        failures.add(row.error)
                    else:
                        # Not click.echo, which would write past the progress bar that holds sys.stdout.
                        print(json_line(row.source, space, row.embedding), end="", flush=True)
            else:
                turned = "" if exif_orientation is None else f"--{'' if exif_orientation else 'no-'}exif-orientation"
                output.parent.mkdir(parents=True, exist_ok=True)
                File(output, chosen, space, append).fill(sources, not has_texts, turned, rows_of, on_progress, failures)
    failures.end(ctx, count, what)


def choose_format(output: Path | None, name: str | None) -> Format:
    if name is None:
        name = output.suffix.lower().removeprefix(".") if output else "jsonl"
    if name not in FORMATS:
        raise click.UsageError(f"{output} ends in none of {', '.join(f'.{name}' for name in FORMATS)}: give --format")
    if output is None and name != "jsonl":
        raise click.UsageError(f"{name} cannot be printed: give --output")
    return FORMATS[name]


def read_texts(texts: Sequence[str], path: str | None, failures: Failures) -> list[str]:
    """Each line is a text, also an empty one, so that row i is of line i."""
    found = list(texts)
    if path is not None:
        lines = (standard_input().read() if path == STDIN else Path(path).read_bytes()).splitlines()
        for number, line in enumerate(lines, start=1):
            try:
                found.append(line.decode())
            except UnicodeDecodeError as error:  # noqa: PERF203
                failures.add(f"{path}, line {number}: not UTF-8 after {error.start} bytes")
    return found


def embed_texts(clip: Clip, texts: Iterable[str], normalize: bool, threads: int | None) -> Iterator[Row]:
    remaining = iter(texts)
    while batch := list(islice(remaining, BATCH)):
        try:
            embeddings = clip.encode_text(batch, normalize=normalize, threads=threads)
        except InvalidArgument as error:  # noqa: PERF203
            if len(batch) == 1:
                yield Row(batch[0], None, f"{batch[0]!r}: {error}")
            else:
                for text in batch:
                    yield from embed_texts(clip, [text], normalize, threads)
        else:
            yield from (Row(text, embedding, "") for text, embedding in zip(batch, embeddings, strict=True))


def embed_pictures(
    clip: Clip,
    paths: Iterable[str],
    normalize: bool,
    exif_orientation: bool | None,
    max_pixels: int,
    threads: int | None,
) -> Iterator[Row]:
    for source, embedding, error in clip.stream_images(
        paths, normalize=normalize, exif_orientation=exif_orientation, max_pixels=max_pixels, threads=threads
    ):
        yield Row(source, embedding, one_line(error) if error else "")


class File:
    """The file that --output names."""

    def __init__(self, path: Path, format: Format, space: Space, append: bool) -> None:
        self.path, self.format, self.space = path, format, space
        self.appends = append and path.exists()
        if self.appends:
            check_same_space(format.read_space(path), space, path)

    def _before(self) -> Iterator[Block]:
        """What the file holds already."""
        return self.format.read_blocks(self.path) if self.appends else iter(())

    def fill(
        self,
        sources: Sequence[str],
        are_files: bool,
        options: str,
        rows_of: Callable[[Sequence[str]], Iterator[Row]],
        on_progress: Callable[[int, int], None],
        failures: Failures,
    ) -> None:
        """Embeds what is not there yet, and writes the file."""
        before = [name for names, _ in self._before() for name in names]
        present = set(before)
        stamps = {source: stamp(source) if are_files else None for source in sources if source not in present}
        with Unfinished(self.path, self.space, options) as unfinished:
            missing = [source for source, state in stamps.items() if not unfinished.has(source, state)]
            if len(missing) < len(stamps):
                click.echo(f"{len(stamps) - len(missing)} of {len(stamps)} are there from a run before", err=True)
            failed = set()
            try:
                for row in counted(rows_of(missing), len(missing), on_progress):
                    if row.embedding is None:
                        failed.add(row.source)
                        failures.add(row.error)
                    else:
                        unfinished.add(row.source, stamps[row.source], row.embedding)
            except KeyboardInterrupt:
                click.echo(f"{len(unfinished)} rows are kept: the same command goes on from there", err=True)
                raise
            done = [source for source in sources if source in stamps and source not in failed]

            def blocks() -> Iterator[Block]:
                yield from self._before()
                yield from unfinished.blocks(done)

            if done or self.appends:
                self.format.write(self.path, self.space, len(before) + len(done), blocks())
            unfinished.delete()


def stamp(path: str) -> Stamp:
    """What tells whether a file was changed; None for one that is not there, which embedding it will tell."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
