"""`multimodal classify`: which of several labels fits a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click

from pyffi.cli import one_line, options
from pyffi.cli.failures import Failures
from pyffi.cli.files import STDIN, argument, expand_pictures, standard_input
from pyffi.cli.progress import counted, tally
from pyffi.clip import TEMPLATE
from pyffi.embeddings import json_text
from pyffi.errors import InvalidArgument
from pyffi.results import LabelProbability

LABELS = "--labels"


class WordsAfterLabels(click.Command):
    """Takes all words after --labels, to the next option, as labels."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(self._one_option_each(args)))

    @staticmethod
    def _one_option_each(args: Sequence[str]) -> Iterator[str]:
        in_labels = False
        for position, arg in enumerate(args):
            if arg == "--":
                yield from args[position:]
                return
            if arg.startswith("-") and arg != "-":
                in_labels = arg == LABELS
                if not in_labels:
                    yield arg
            elif in_labels:
                yield from (LABELS, arg)
            else:
                yield arg
        if args and args[-1] == LABELS:
            yield LABELS  # without a value, as click will say


@click.command(cls=WordsAfterLabels)
@click.argument("images", nargs=-1, type=argument)
@click.option(
    LABELS, "words", multiple=True, metavar="LABEL...", help="All words to the next option; commas part them."
)
@click.option("--labels-file", type=argument, metavar="FILE", help='A label in each line; "-": of standard input.')
@options.clip_model
@click.option(
    "--template",
    "templates",
    multiple=True,
    default=[TEMPLATE],
    show_default=True,
    metavar="TEXT",
    help='What a label is embedded as, "{}" being the label; of several the average is taken.',
)
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, metavar="N", help="Show so many labels.")
@click.option(
    "-f", "--format", "format_name", type=click.Choice(["text", "json", "tsv"]), default="text", show_default=True
)
@options.exif_orientation
@options.max_pixels
@options.threads
@options.quiet
@click.pass_context
def classify(
    ctx: click.Context,
    /,
    images: Sequence[str],
    words: Sequence[str],
    labels_file: str | None,
    model: str,
    templates: Sequence[str],
    top: int,
    format_name: str,
    exif_orientation: bool | None,
    max_pixels: int,
    threads: int | None,
    quiet: bool,
) -> None:
    """Say which labels fit pictures: multimodal classify photo.jpg --labels cat dog "red apple"

    IMAGES are files, folders, and patterns such as "*.jpg"; "-" reads their names from standard input. Each label is
    shown with its probability among those given, as the model sees it, and the cosine behind that.
    """
    if not images:
        raise click.UsageError(f"no picture: name pictures before {LABELS}, which takes all words after it")
    labels = read_labels(words, labels_file)
    failures = Failures()
    paths = expand_pictures(images, failures.add_error)
    if not paths and not failures.messages:
        raise click.ClickException(f"no pictures in {', '.join(images)}")
    count = len(paths) + len(failures.messages)
    with options.open_clip(model, quiet=quiet) as clip:
        label_embeddings = clip.encode_labels(labels, template=templates, threads=threads)
        space = clip.space_id()
        if format_name == "tsv":
            print("image", "label", "probability", "similarity", sep="\t")
        results = clip.stream_images(paths, exif_orientation=exif_orientation, max_pixels=max_pixels, threads=threads)
        with tally("Classifying", not quiet) as on_progress:
            for path, embedding, error in counted(results, len(paths), on_progress):
                if embedding is None:
                    failures.add(one_line(error) if error else "")
                    continue
                cosines = label_embeddings @ embedding
                chances = clip.probabilities(cosines)
                found = [
                    LabelProbability(labels[i], float(chances[i]), float(cosines[i]))
                    for i in (-cosines).argsort(kind="stable")[:top]
                ]
                # Not click.echo, which would write past the progress bar that holds sys.stdout.
                print("\n".join(WRITERS[format_name](path, space, found, count > 1)), flush=True)
    failures.end(ctx, count, "pictures")


def read_labels(words: Sequence[str], path: str | None) -> list[str]:
    labels = [label.strip() for word in words for label in word.split(",")]
    if path is not None:
        content = standard_input().read() if path == STDIN else Path(path).read_bytes()
        try:
            labels += [line.strip() for line in content.decode().splitlines()]
        except UnicodeDecodeError as error:
            raise InvalidArgument(f"{path} is not UTF-8 after {error.start} bytes") from error
    labels = list(dict.fromkeys(label for label in labels if label))
    if not labels:
        raise click.UsageError(f"no label: give {LABELS} or --labels-file")
    return labels


def as_text(path: str, space: str, found: Sequence[LabelProbability], one_of_several: bool) -> Iterator[str]:
    if one_of_several:
        yield f"==> {path} <=="
    for label in found:
        yield f"{100 * label.probability:6.2f} %  {label.similarity:6.3f}  {label.label}"


def as_json(path: str, space: str, found: Sequence[LabelProbability], one_of_several: bool) -> Iterator[str]:
    """An object a line."""
    yield json_text({"image": path, "space": space, "labels": [label._asdict() for label in found]})


def as_tsv(path: str, space: str, found: Sequence[LabelProbability], one_of_several: bool) -> Iterator[str]:
    for label in found:
        yield f"{path}\t{label.label}\t{label.probability:.6f}\t{label.similarity:.6f}"


WRITERS: dict[str, Callable[[str, str, Sequence[LabelProbability], bool], Iterator[str]]] = {
    "text": as_text,
    "json": as_json,
    "tsv": as_tsv,
}
