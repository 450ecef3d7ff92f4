"""Images and texts in one space: the CLIP model and what can be asked of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt

from pyffi._ffi import ffi, lib
from pyffi.buffers import Floats, as_c_string, as_path, as_token_ids, as_utf8, owned_array, owned_bytes
from pyffi.callbacks import Run
from pyffi.errors import AbortedError, InvalidArgument, MultimodalError, UnsupportedError, error_for, raise_for, text
from pyffi.image import MAX_PIXELS, Pixels, c_pixels
from pyffi.parallel import cores, map_in_order
from pyffi.pictures import Picture, is_picture, read_picture, with_name
from pyffi.results import ClipInfo, LabelProbability
from pyffi.whisper import resolve_model

if TYPE_CHECKING:
    from typing_extensions import Self

PictureOrPictures: TypeAlias = "Picture | Iterable[Picture]"
TextOrTexts: TypeAlias = "str | Iterable[str]"
Source = TypeVar("Source")

TEMPLATE = "a photo of a {}"
BATCH = 32  # pictures that are embedded together; no result depends on it


class ImageResult(NamedTuple):
    """What became of one picture of many: an embedding, or the reason why there is none."""

    source: Any
    embedding: Floats | None
    error: MultimodalError | None


class Clip:
    """A CLIP model.

        with Clip("emoji") as model:
            print(model.classify("animal.png", ["cat", "dog", "crab"])[0].label)

    A model never changes once it is open: any number of threads may use one at the same time. A process forked from
    this one may use it too. Pickling keeps the path, and unpickling opens the file again. Forgotten objects are freed.

    Embeddings are float32 and of length 1, so that a dot product is the cosine, unless `normalize` is false. Each is
    the same whatever else is embedded with it.
    """

    def __init__(self, model: str | os.PathLike[str], *, sha256: str | None = None, lock_memory: bool = False) -> None:
        """Opens a model.

        model        a GGUF file, a name such as "emoji" (see `multimodal models list`), or a Hugging Face or OpenCLIP
                     checkpoint, which is converted into the cache once
        sha256       64 hexadecimal digits that the file must have
        lock_memory  keep the weights in memory, whatever else the machine does
        """
        self.path = resolve_model(model, "clip")
        self._options = {"sha256": sha256, "lock_memory": lock_memory}
        options = ffi.new("mm_open_options *", {"struct_size": ffi.sizeof("mm_open_options")})
        options.lock_memory = lib.MM_SWITCH_ON if lock_memory else lib.MM_SWITCH_OFF
        digits = ffi.NULL if sha256 is None else as_c_string(sha256, "sha256")
        options.sha256 = digits
        out, error = ffi.new("mm_clip **"), ffi.new("char **")
        status = lib.mm_clip_open(as_path(self.path), options, out, error)
        if status:
            raise_for(status, error)
        info = ffi.new("mm_clip_info *", {"struct_size": ffi.sizeof("mm_clip_info")})
        status = lib.mm_clip_info_get(out[0], info)
        if status:
            lib.mm_clip_close(out[0])
            raise error_for(status)
        self.info = ClipInfo.from_c(info)
        # Mapped weights are the page cache's; packed ones are memory that the garbage collector should know of.
        self._handle = ffi.gc(out[0], lib.mm_clip_close, 0 if info.is_mapped else info.weight_bytes)

    # ---- Embeddings -------------------------------------------------------------------------------------------------

    def encode_image(
        self,
        images: PictureOrPictures,
        *,
        normalize: bool = True,
        exif_orientation: bool | None = None,
        max_pixels: int = MAX_PIXELS,
        threads: int | None = None,
    ) -> Floats:
        """Embeds one picture, as (embedding_dim,), or an iterable of them, as (n, embedding_dim).

        images            each a path, the bytes of a file, a PIL image, or uint8 pixels: (height, width, 3) or, with
                          alpha, which is dropped, 4; (height, width) is grey. JPEG and PNG are read by the library
                          itself, exactly as Pillow reads them; all else by Pillow, where it is installed
        exif_orientation  turn pictures as their EXIF data says; None: as the model's recipe says, which is no
        max_pixels        refuse files with more pixels
        """
        options = self._clip_options(normalize, exif_orientation, max_pixels)
        if is_picture(images):
            try:
                square = self._preprocess(cast(Picture, images), options)
                single: Floats = self._encode_squares([square], options, threads)[0]
                return single
            except MultimodalError as error:
                raise with_name(error, images) from error.__cause__
        embeddings = []
        for result in self._stream(_each(images, "images"), None, options, threads):
            if result.error is not None:
                raise result.error
            embeddings.append(result.embedding)
        return np.array(embeddings, np.float32).reshape(-1, self.info.embedding_dim)

    def stream_images(
        self,
        images: Iterable[Source],
        load: Callable[[Source], Picture] | None = None,
        *,
        normalize: bool = True,
        exif_orientation: bool | None = None,
        max_pixels: int = MAX_PIXELS,
        threads: int | None = None,
    ) -> Generator[ImageResult, None, None]:
        """Embeds any number of pictures as they come, in order, holding few of them at a time. One that cannot be read
        gives a result with its error, and the next ones follow.

        load  makes a picture of each source, on another thread; None: the sources are pictures
        """
        return self._stream(images, load, self._clip_options(normalize, exif_orientation, max_pixels), threads)

    def encode_text(self, texts: TextOrTexts, *, normalize: bool = True, threads: int | None = None) -> Floats:
        """Embeds one text, as (embedding_dim,), or an iterable of them, as (n, embedding_dim). What exceeds the model's
        context is cut off."""
        encoded = [as_utf8(item, "texts") for item in _each(texts, "texts")]
        buffers = [ffi.from_buffer("char[]", item) for item in encoded]
        c_texts = ffi.new("mm_bytes[]", [(buffer, len(item)) for buffer, item in zip(buffers, encoded, strict=True)])
        out, length, error = ffi.new("float **"), ffi.new("size_t *"), ffi.new("char **")
        run = Run(threads)
        options = self._clip_options(normalize)
        run.check(
            lib.mm_clip_encode_text(self._handle, c_texts, len(encoded), options, run.c, out, length, error), error
        )
        embeddings = owned_array(out[0], len(encoded), self.info.embedding_dim)
        return embeddings[0] if isinstance(texts, str) else embeddings

    def encode_tokens(self, tokens: Iterable[int], *, normalize: bool = True, threads: int | None = None) -> Floats:
        """Embeds the token ids of one text, as tokenize() gives them: (embedding_dim,)."""
        ids = as_token_ids(tokens)
        out, length, error = ffi.new("float **"), ffi.new("size_t *"), ffi.new("char **")
        run = Run(threads)
        options = self._clip_options(normalize)
        run.check(lib.mm_clip_encode_tokens(self._handle, ids, len(ids), options, run.c, out, length, error), error)
        return owned_array(out[0], self.info.embedding_dim)

    def encode_labels(
        self, labels: Iterable[str], *, template: str | Sequence[str] = TEMPLATE, threads: int | None = None
    ) -> Floats:
        """Embeds what pictures may show, (labels, embedding_dim): each label in the template, or in each of several,
        whose normalised embeddings are averaged (a prompt ensemble) and normalised again."""
        templates = [template] if isinstance(template, str) else list(template)
        if not templates:
            raise InvalidArgument('template is empty; pass a text with "{}" where the label goes, or several')
        for item in templates:
            if not isinstance(item, str) or "{}" not in item:
                raise InvalidArgument(f'template is {item!r}; it must be a text with "{{}}" where the label goes')
        names = [_label(label) for label in _each(labels, "labels")]
        prompts = [item.replace("{}", name) for name in names for item in templates]
        embeddings = self.encode_text(prompts, threads=threads)
        if len(templates) == 1:
            return embeddings
        return normalized(embeddings.reshape(len(names), len(templates), -1).mean(axis=1))

    # ---- What follows from them -------------------------------------------------------------------------------------

    def classify(
        self,
        images: PictureOrPictures | Floats,
        labels: Iterable[str],
        *,
        template: str | Sequence[str] = TEMPLATE,
        exif_orientation: bool | None = None,
        threads: int | None = None,
    ) -> Any:
        """What a picture shows, of the given labels: a list of LabelProbability, most probable first; for an iterable
        of pictures a list of such lists. Probabilities are the model's own and not calibrated.

        images    as in encode_image, or embeddings
        template  "{}" is where the label goes; several are averaged, see encode_labels
        """
        names = [_label(label) for label in _each(labels, "labels")]
        if not names:
            raise InvalidArgument("labels is empty; pass what the picture may show")
        label_embeddings = self.encode_labels(names, template=template, threads=threads)
        embeddings = self._embeddings_of_images(images, exif_orientation, threads)
        cosines = np.atleast_2d(embeddings) @ label_embeddings.T
        probabilities = self.probabilities(cosines)
        results = [
            sorted(
                (LabelProbability(*row) for row in zip(names, chances.tolist(), similar.tolist(), strict=True)),
                key=lambda label: -label.similarity,
            )
            for chances, similar in zip(probabilities, cosines, strict=True)
        ]
        return results[0] if embeddings.ndim == 1 else results

    def similarity(
        self, images: PictureOrPictures | Floats, texts: TextOrTexts | Floats, *, threads: int | None = None
    ) -> Any:
        """The cosine of each picture with each text, (images, texts); a single picture or text has no such dimension.
        Both may be embeddings too."""
        rows = self._embeddings_of_images(images, None, threads)
        columns = (
            self._checked_embeddings(texts)
            if isinstance(texts, np.ndarray)
            else self.encode_text(texts, threads=threads)
        )
        return rows @ columns.T

    def probabilities(self, similarity: Floats) -> Floats:
        """Of cosines (images, texts), the chance of each text for its picture as the model was trained to see it: the
        softmax over the texts of logit_scale * cosine or, for models trained so (SigLIP), the sigmoid of each."""
        logits = np.float64(self.info.logit_scale) * similarity + self.info.logit_bias
        if self.info.uses_sigmoid:
            return np.asarray(1 / (1 + np.exp(-logits)), dtype=np.float32)
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float32)

    def space_id(self, *, normalize: bool = True) -> str:
        """The name of the space that embeddings lie in, 16 hexadecimal digits: those of different spaces must not be
        compared. The first call reads the whole file."""
        out, error = ffi.new("char **"), ffi.new("char **")
        status = lib.mm_clip_space_id(self._handle, self._clip_options(normalize), out, error)
        if status:
            raise_for(status, error)
        name = text(out[0])
        lib.mm_free(out[0])
        return name

    # ---- Pixels and tokens ------------------------------------------------------------------------------------------

    def preprocess(
        self, image: Picture, *, exif_orientation: bool | None = None, max_pixels: int = MAX_PIXELS
    ) -> Pixels:
        """A picture as the image tower sees it, before values are normalised: uint8 (image_size, image_size, 3).
        Embedding it gives what embedding the picture gives."""
        return self._preprocess(image, self._clip_options(True, exif_orientation, max_pixels))

    def tokenize(self, text: str) -> list[int]:
        """Token ids of a text, start and end token included, cut to the model's context."""
        encoded = as_utf8(text, "text")
        out, length, error = ffi.new("int32_t **"), ffi.new("size_t *"), ffi.new("char **")
        status = lib.mm_clip_tokenize(self._handle, encoded, len(encoded), out, length, error)
        if status:
            raise_for(status, error)
        ids: list[int] = ffi.unpack(out[0], length[0])
        lib.mm_free(out[0])
        return ids

    def detokenize(self, tokens: Iterable[int]) -> str:
        """The text of token ids, words separated by spaces; special tokens are left out."""
        ids = as_token_ids(tokens)
        out, length, error = ffi.new("char **"), ffi.new("size_t *"), ffi.new("char **")
        status = lib.mm_clip_detokenize(self._handle, ids, len(ids), out, length, error)
        if status:
            raise_for(status, error)
        decoded: str = ffi.unpack(out[0], length[0]).decode()
        lib.mm_free(out[0])
        return decoded

    # ---- Life -------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Closes the model: using it afterwards raises ClosedError."""
        ffi.release(self._handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Callable[..., Clip], tuple[str, Mapping[str, Any]]]:
        return _reopen, (self.path, self._options)

    def __repr__(self) -> str:
        return f"<pyffi.Clip: {self.path}>"

    # ---- Inside -----------------------------------------------------------------------------------------------------

    def _clip_options(self, normalize: bool, exif_orientation: bool | None = None, max_pixels: int = MAX_PIXELS) -> Any:
        options = ffi.new("mm_clip_options *", {"struct_size": ffi.sizeof("mm_clip_options")})
        options.normalize = lib.MM_SWITCH_ON if normalize else lib.MM_SWITCH_OFF
        if exif_orientation is not None:
            options.exif_orientation = lib.MM_SWITCH_ON if exif_orientation else lib.MM_SWITCH_OFF
        try:
            options.max_pixels = max_pixels
        except (TypeError, OverflowError) as error:
            raise InvalidArgument(f"max_pixels is {max_pixels!r}; it must be an integer from 1: {error}") from None
        return options

    def _preprocess(self, picture: Picture, options: Any) -> Pixels:
        """One picture as the image tower sees it."""
        size = self.info.image_size
        turn = options.exif_orientation == lib.MM_SWITCH_ON
        loaded = read_picture(picture, exif_orientation=turn, max_pixels=options.max_pixels or MAX_PIXELS)
        out, length, error = ffi.new("uint8_t **"), ffi.new("size_t *"), ffi.new("char **")
        run = Run(1)
        if isinstance(loaded, bytes):
            c_bytes = ffi.new("mm_bytes *", (ffi.from_buffer("char[]", loaded), len(loaded)))
            status = lib.mm_clip_preprocess_image(self._handle, c_bytes, options, run.c, out, length, error)
        else:
            c_image = ffi.new("mm_pixels *", c_pixels(loaded))
            status = lib.mm_clip_preprocess_pixels(self._handle, c_image, options, run.c, out, length, error)
        run.check(status, error)
        return owned_bytes(out[0], size, size, 3)

    def _encode_squares(self, squares: Sequence[Pixels], options: Any, threads: int | None) -> Floats:
        c_images = ffi.new("mm_pixels[]", [c_pixels(square) for square in squares])
        out, length, error = ffi.new("float **"), ffi.new("size_t *"), ffi.new("char **")
        run = Run(threads)
        run.check(
            lib.mm_clip_encode_pixels(self._handle, c_images, len(squares), options, run.c, out, length, error), error
        )
        return owned_array(out[0], len(squares), self.info.embedding_dim)

    def _stream(
        self, sources: Iterable[Any], load: Callable[[Any], Picture] | None, options: Any, threads: int | None
    ) -> Generator[ImageResult, None, None]:
        """Decodes pictures on threads while others are embedded, a batch at a time."""
        if not self.info.image_size:
            raise UnsupportedError(f"{self.path} has no image tower: it embeds texts only")

        def prepare(source: Any) -> tuple[Any, Pixels | MultimodalError]:
            try:
                return source, self._preprocess(source if load is None else load(source), options)
            except AbortedError:
                raise
            except MultimodalError as error:
                return source, with_name(error, source)

        workers = cores() if threads is None else max(1, threads)
        prepared = map_in_order(prepare, sources, workers=workers, ahead=BATCH + workers)
        for batch in _batches(prepared, BATCH):
            squares = [square for _, square in batch if isinstance(square, np.ndarray)]
            embeddings = iter(self._encode_squares(squares, options, threads))
            for source, square in batch:
                if isinstance(square, MultimodalError):
                    yield ImageResult(source, None, square)
                else:
                    yield ImageResult(source, next(embeddings), None)

    def _embeddings_of_images(
        self, images: PictureOrPictures | Floats, exif_orientation: bool | None, threads: int | None
    ) -> Floats:
        if isinstance(images, np.ndarray) and images.dtype.kind == "f":
            return self._checked_embeddings(images)
        return self.encode_image(images, exif_orientation=exif_orientation, threads=threads)

    def _checked_embeddings(self, embeddings: npt.NDArray[Any]) -> Floats:
        if embeddings.ndim not in (1, 2) or embeddings.shape[-1] != self.info.embedding_dim:
            raise InvalidArgument(
                f"embeddings have shape {embeddings.shape}; this model's are ({self.info.embedding_dim},) or "
                f"(n, {self.info.embedding_dim})"
            )
        return normalized(embeddings)


def _each(values: Any, name: str) -> Iterable[Any]:
    if isinstance(values, str):
        return [values]
    try:
        iterator: Iterator[Any] = iter(values)
    except TypeError:
        raise InvalidArgument(f"{name} is {type(values).__name__}; pass one or an iterable of them") from None
    return iterator


def _label(label: object) -> str:
    if not isinstance(label, str):
        raise InvalidArgument(f"labels has {label!r} ({type(label).__name__}); each must be a str")
    return label


def _batches(items: Iterable[Source], size: int) -> Iterator[list[Source]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def normalized(embeddings: Floats) -> Floats:
    """Rows scaled to length 1."""
    lengths = np.sqrt(np.sum(embeddings.astype(np.float64) ** 2, axis=-1, keepdims=True))
    return np.asarray(embeddings / np.where(lengths == 0, 1, lengths), dtype=np.float32)


def _reopen(path: str, options: dict[str, Any]) -> Clip:
    return Clip(path, **options)
