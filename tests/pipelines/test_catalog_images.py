"""Product images to embeddings and small pictures, and what is said of those that cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from postlens.config import Settings
from postlens.pipelines.catalog_images import THUMBNAIL_PX, ImageReader
from postlens.types import Product
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec

from ..media.samples import encoded, photo


def product(name: str, image: str | None) -> Product:
    return Product(name, name, ("hat",), image=image)


def reader(**settings: object) -> ImageReader:
    return ImageReader(Settings(**settings), known={}, downloads=None)  # type: ignore[arg-type]


def save(folder: Path, name: str, *, seed: int = 0) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(encoded(photo(400, 300, seed=seed), "JPEG"))


def test_paths_are_from_the_catalogs_folder(tmp_path):
    save(tmp_path, "pictures/cap.jpg")
    found = reader().read([product("cap", "pictures/cap.jpg"), product("plain", None)], folder=tmp_path)
    assert found.failures == []
    (image,) = found.images.values()
    assert image.fingerprint == load_spec(ENCODER).fingerprint
    assert image.vector.shape == (load_spec(ENCODER).dim,)
    assert image.thumbnail.startswith(b"\xff\xd8")
    assert len(image.thumbnail) < THUMBNAIL_PX**2


def test_paths_of_another_system_are_found(tmp_path):
    save(tmp_path, "pictures/cap.jpg")
    assert list(reader().read([product("cap", "pictures\\cap.jpg")], folder=tmp_path).images) == ["cap"]


def test_a_known_file_is_not_read_again(tmp_path, monkeypatch):
    save(tmp_path, "a.jpg")
    save(tmp_path, "b.jpg")
    first = reader().read([product("a", "a.jpg")], folder=tmp_path).images["a"]
    monkeypatch.setattr("postlens.pipelines.catalog_images.Encoder", None)
    again = ImageReader(Settings(), known={first.sha256: first}, downloads=None)
    assert again.read([product("b", "b.jpg")], folder=tmp_path).images["b"] is first


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("absent.jpg", None, "MediaNotFoundError"),
        ("text.jpg", b"no image", "UnsupportedMediaError"),
        ("empty.jpg", b"", "EmptyMediaError"),
        ("cut.png", encoded(photo(64, 64), "PNG")[:60], "DecodeError"),
        ("nul\x00.jpg", None, "MediaNotFoundError"),
        ("x" * 300 + ".jpg", None, "MediaNotFoundError"),
        (".", None, "UnreadableMediaError"),
    ],
)
def test_an_image_that_cannot_be_used_is_a_failure_that_names_the_product(tmp_path, name, content, error):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    save(tmp_path, "good.jpg")
    found = reader().read([product("bad", name), product("good", "good.jpg")], folder=tmp_path)
    assert list(found.images) == ["good"]
    (failure,) = found.failures
    assert (failure.subject, failure.stage) == ("image of product 'bad'", "catalog")
    assert failure.error in (error, "UnreadableMediaError")


def test_a_video_is_no_product_image(sample_campaign):
    video = next(sample_campaign.rglob("*.mp4"))
    found = reader().read([product("film", video.name)], folder=video.parent)
    assert [failure.error for failure in found.failures] == ["UnsupportedMediaError"]


def test_a_url_is_fetched_only_where_that_is_allowed(tmp_path):
    at_url = [product("web", "https://example.org/cap.jpg")]
    (failure,) = reader().read(at_url, folder=tmp_path).failures
    assert failure.error == "DownloadNotAllowedError"
    assert "catalog add" in failure.message
    asked = ImageReader(Settings(), known={}, downloads=tmp_path)
    assert asked.read(at_url, folder=tmp_path).failures[0].error == "DownloadNotAllowedError"
    refused = ImageReader(Settings(allow_download=True), known={}, downloads=tmp_path)
    (failure,) = refused.read([product("own", "http://127.0.0.1/cap.jpg")], folder=tmp_path).failures
    assert failure.error == "AddressRefusedError"


def test_a_fetched_image_is_read_like_a_file(tmp_path, monkeypatch):
    save(tmp_path, "fetched.jpg")
    monkeypatch.setattr("postlens.pipelines.catalog_images.fetch", lambda *_, **__: tmp_path / "fetched.jpg")
    fetching = ImageReader(Settings(allow_download=True), known={}, downloads=tmp_path)
    web = fetching.read([product("web", "https://example.org/cap.jpg")], folder=tmp_path).images["web"]
    np.testing.assert_array_equal(web.vector, reader().read_one("fetched.jpg", folder=tmp_path).vector)


def test_progress_counts_the_products_with_images(tmp_path):
    save(tmp_path, "a.jpg")
    seen: list[tuple[int, int | None]] = []
    products = [product("a", "a.jpg"), product("plain", None), product("b", "absent.jpg")]
    reader().read(products, folder=tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
