"""The images that products name to embeddings and small pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from postlens.config import Settings
from postlens.errors import DownloadNotAllowedError, PostlensError, UnsupportedMediaError
from postlens.media.decode import decode_file
from postlens.media.fetch import fetch
from postlens.media.hashing import sha256_file
from postlens.media.image import thumbnail
from postlens.media.probe import display_name, kind_of
from postlens.pipelines.decode import decoding
from postlens.sources.single import is_url
from postlens.store.catalog import ProductImage
from postlens.tasks.products.catalog import STAGE
from postlens.types import Failure, Product
from postlens.vision.encoder import Encoder

Progress = Callable[[int, int | None], None]
THUMBNAIL_PX: Final = 160  # longest side; as shown beside a recommendation. More: sharper, and larger reports


@dataclass(slots=True)
class ReadImages:
    """What became of the images of products."""

    images: dict[str, ProductImage] = field(default_factory=dict)  # by product_id
    failures: list[Failure] = field(default_factory=list)


class ImageReader:
    """Reads product images; the encoder is loaded with the first one that is new."""

    def __init__(self, settings: Settings, *, known: Mapping[str, ProductImage], downloads: Path | None) -> None:
        """`known`: by sha256, images that need not be read again. `downloads`: folder for those at URLs; None: none."""
        self._settings = settings
        self._known = dict(known)
        self._downloads = downloads
        self._encoder: Encoder | None = None

    def read(self, products: Sequence[Product], *, folder: Path, progress: Progress | None = None) -> ReadImages:
        """The images of all products that name one; those that cannot be read are failures. Paths are from `folder`."""
        found = ReadImages()
        named = [product for product in products if product.image is not None]
        for number, product in enumerate(named, start=1):
            try:
                found.images[product.product_id] = self.read_one(str(product.image), folder=folder)
            except PostlensError as error:
                why = Failure.of(image_subject(product.product_id), STAGE, error)
                found.failures.append(replace(why, message=f"{why.message}; the product itself is kept"))
            if progress is not None:
                progress(number, len(named))
        return found

    def read_one(self, image: str, *, folder: Path) -> ProductImage:
        """Raises `MediaError` where the file or address cannot be used, or holds no still image."""
        path = self._path(image, folder)
        sha256 = sha256_file(path)
        if sha256 not in self._known:
            self._known[sha256] = self._embed(path, sha256)
        return self._known[sha256]

    def _path(self, image: str, folder: Path) -> Path:
        if not is_url(image):
            return local_file(folder, image)
        if self._downloads is None:
            raise DownloadNotAllowedError(
                f"{display_name(image)}: expected a file, got a URL; fetch it once with"
                " `postlens catalog add --set allow_download=true`"
            )
        settings = self._settings
        max_bytes = int(settings.download_max_mib * 2**20)
        return fetch(
            image,
            self._downloads,
            allow=settings.allow_download,
            max_bytes=max_bytes,
            timeout_s=settings.download_timeout_s,
        )

    def _embed(self, path: Path, sha256: str) -> ProductImage:
        if kind_of(path) == "video":
            raise UnsupportedMediaError(f"{display_name(path)}: expected an image of the product, got a video")
        image = decode_file(path, how=decoding("image", self._settings)).frames.images[0]
        encoder = self._encoder = self._encoder or Encoder()
        vectors, _ = encoder.embed([image])
        return ProductImage(sha256, thumbnail(image, THUMBNAIL_PX), vectors[0], encoder.fingerprint)


def image_subject(product_id: str) -> str:
    """What failures call the image of a product."""
    return f"image of product {product_id!r}"


def local_file(folder: Path, image: str) -> Path:
    """The file that a catalog in this folder names; backslashes are slashes where the name as it stands is no file."""
    path = folder / image
    if "\\" in image and not os.path.lexists(path):
        return folder / image.replace("\\", "/")
    return path


def by_sha256(images: Iterable[ProductImage]) -> dict[str, ProductImage]:
    """Images by the hash of their file."""
    return {image.sha256: image for image in images}
