"""`multimodal search`: find pictures in a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click

from pyffi.cli import options
from pyffi.cli.progress import tally
from pyffi.contact_sheet import write_contact_sheet
from pyffi.embeddings import Space, json_text
from pyffi.index_update import Update
from pyffi.picture_files import picture_suffixes
from pyffi.search import ImageIndex, Match


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False))
@click.argument("query", nargs=-1)
@click.option(
    "--image",
    "images",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Search for what is like this picture; may be given several times, and beside words.",
)
@options.clip_model
@click.option(
    "--top", type=click.IntRange(1), default=10, show_default=True, metavar="N", help="Show so many pictures."
)
@click.option(
    "-f", "--format", "format_name", type=click.Choice(["text", "json", "tsv"]), default="text", show_default=True
)
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a page with the pictures."
)
@click.option("--update/--no-update", default=True, show_default=True, help="Look for new pictures first.")
@click.option("--rebuild", is_flag=True, help="Forget the index and embed all pictures anew.")
@click.option(
    "--index",
    "index_folder",
    type=click.Path(file_okay=False),
    metavar="FOLDER",
    help="Keep the index there.  [default: FOLDER/.multimodal, or the user's cache if FOLDER cannot be written]",
)
@options.exif_orientation
@options.max_pixels
@options.threads
@options.quiet
@click.pass_context
def search(
    ctx: click.Context,
    /,
    folder: str,
    query: Sequence[str],
    images: Sequence[Path],
    model: str,
    top: int,
    format_name: str,
    html: Path | None,
    update: bool,
    rebuild: bool,
    index_folder: str | None,
    exif_orientation: bool | None,
    max_pixels: int,
    threads: int | None,
    quiet: bool,
) -> None:
    """Find the pictures in FOLDER that are most like QUERY: multimodal search photos "a red apple" --html found.html

    Pictures are embedded once and kept in an index, of which each model has its own; new ones are added, and those that
    are gone are dropped, before each search. Without QUERY and --image only the index is brought up to date.
    """
    words = " ".join(query)
    if not (words or images) and not update:
        raise click.UsageError("nothing to do: give QUERY or --image, or leave out --no-update")
    if not (words or images) and html:
        raise click.UsageError("--html needs QUERY or --image")
    if rebuild and not update:
        raise click.UsageError("give either --rebuild or --no-update")
    with (
        options.open_clip(model, quiet=quiet) as clip,
        ImageIndex(
            folder,
            clip,
            index=index_folder,
            exif_orientation=exif_orientation,
            max_pixels=max_pixels,
            threads=threads,
            rebuild=rebuild,
        ) as index,
    ):
        if update:
            with tally("Indexing", not quiet) as on_progress:
                changes = index.update(on_progress)
            if not quiet:
                tell(changes, index)
        if update and not len(index):
            raise click.ClickException(f"no pictures in {folder}: none of {' '.join(picture_suffixes())} can be read")
        if not (words or images):
            return
        matches = index.search([*([words] if words else []), *images], top=top)
        if html:
            names = [os.fsdecode(image) for image in images]
            title = " + ".join(([words] if words else []) + [os.path.basename(name) for name in names])
            write_contact_sheet(html, matches, title=title, space=index.space, folder=folder, query_pictures=names)
        for line in WRITERS[format_name](matches, index.space):
            click.echo(line)


def tell(changes: Update, index: ImageIndex) -> None:
    """What the update has done, unless there was nothing to do."""
    for path, error in changes.failures:
        click.echo(f"Warning: {path}: {error}", err=True)
    if changes.known_failures:
        click.echo(f"Warning: damaged pictures are left out: {changes.known_failures}", err=True)
    counts = {
        "embedded": changes.embedded,
        "recognised": changes.recognised,
        "removed": changes.removed,
        "unreadable": len(changes.failures),
    }
    if any(counts.values()):
        told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        click.echo(f"{len(index)} pictures in the index: {told}", err=True)


def as_text(matches: Sequence[Match], space: Space) -> Iterator[str]:
    for match in matches:
        yield f"{match.similarity:6.3f}  {match.path}"


def as_json(matches: Sequence[Match], space: Space) -> Iterator[str]:
    """An object a line."""
    for match in matches:
        yield json_text({"path": match.path, "similarity": round(match.similarity, 6), "space": space.id})


def as_tsv(matches: Sequence[Match], space: Space) -> Iterator[str]:
    yield "similarity\tpath"
    for match in matches:
        yield f"{match.similarity:.6f}\t{match.path}"


WRITERS: dict[str, Callable[[Sequence[Match], Space], Iterator[str]]] = {
    "text": as_text,
    "json": as_json,
    "tsv": as_tsv,
}
