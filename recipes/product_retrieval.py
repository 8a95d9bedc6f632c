"""How near the top the right product is when products are ranked by the look of their images, on two stand-ins.

    python recipes/product_retrieval.py --data ../shared/data      # about a minute on one core

Data: the shop photos of `niche` (sources magento_luma, clothing_dataset and five small shops; mixed licences). No set
at hand links photos of people to the products they bought, so two stand-ins are measured, both with `rank_products`:

- same_kind: of the 90 clothing photos of one shop, each (or the mean of three) seeks the others of its kind (12 kinds
  such as women's jackets, told by the shop's file names). It says whether look carries the kind of garment, in photos
  of one studio, where people wear it; not whether the same garment is found.
- same_picture: 371 product photos, each sought by an altered copy: cropped, mirrored, small and compressed, or pasted
  over a street photo at 70 % and 50 % of its short side. It says how much alteration and clutter the ranking bears, an
  upper bound for a product in somebody else's photo: the copy shows the very same picture.

Intervals draw whole kinds, or pictures. `similarity`: cosine is what ships; sqrt and centred (on the catalog's mean)
are compared with it. Writes benchmarks/results/product_retrieval.csv.
"""

import argparse
import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from postlens.tasks.products.ranking import ProductVectors, mean_direction, rank_products
from postlens.tasks.products.retrieval import score_retrieval
from postlens.types import FloatArray, Product
from postlens.vision.encoder import Encoder

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "product_retrieval.csv"
STUDIO = "magento_luma"
SHOPS = (STUDIO, "clothing_dataset", "shop_fashionista", "shop_ayomi", "shop_maulik", "shop_hasan", "shop_rahul")
STREET = "ccp_street"  # backgrounds
N_TOGETHER = 3  # photos of a query of several
SMALL_PX, SMALL_QUALITY = 96, 30
SEED = 0

Similarity = Callable[[FloatArray, FloatArray], FloatArray]  # (vectors, those of the catalog) to vectors to compare


class Query(NamedTuple):
    """One search: what with, which products it is not searched in, and which are right."""

    vector: FloatArray  # (D,)
    without: frozenset[int]
    right: frozenset[int]
    group: str  # drawn together for the intervals


def as_they_are(vectors: FloatArray, _: FloatArray) -> FloatArray:
    """Features as the encoder gives them."""
    return vectors


def rooted(vectors: FloatArray, _: FloatArray) -> FloatArray:
    """The square root of the features, which are not negative: large activations count less (Hellinger)."""
    return np.asarray(np.sqrt(np.maximum(vectors, 0)), np.float32)


def centred(vectors: FloatArray, catalog: FloatArray) -> FloatArray:
    """Less the catalog's mean, which all products have in common."""
    return np.asarray(vectors - catalog.mean(axis=0), np.float32)


SIMILARITIES: Mapping[str, Similarity] = {"cosine": as_they_are, "sqrt": rooted, "centred": centred}


def main() -> None:
    """Embed the photos, search, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds niche/")
    folder = parser.parse_args().data / "niche"
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        photos = list(csv.DictReader(file))
    rows = [*kind_rows(folder, photos), *picture_rows(folder, photos)]
    with RESULTS.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        print(row)


def kind_rows(folder: Path, photos: Sequence[dict[str, str]]) -> Iterator[dict[str, object]]:
    """Scores of one photo, and of three, that seek the others of their kind."""
    chosen = [photo for photo in photos if photo["source_group"] == STUDIO and photo["label"] == "fashion"]
    kinds = [kind_of(photo["source_path"]) for photo in chosen]
    vectors = embed([load(folder, photo) for photo in chosen])
    for n in (1, N_TOGETHER):
        for name, similarity in SIMILARITIES.items():
            compared = similarity(vectors, vectors)
            yield row_of(
                "same_kind", f"{n} photo{'s' if n > 1 else ''}", name, compared, kind_queries(compared, kinds, n)
            )


def kind_of(source_path: str) -> str:
    """`mj` of `.../mj02-green_main.jpg`: men's jackets."""
    found = re.match(r"[a-z]+", Path(source_path).name)
    if found is None:
        raise ValueError(f"expected a file name that begins with its kind, got {source_path}")
    return found[0]


def kind_queries(vectors: FloatArray, kinds: Sequence[str], n: int) -> list[Query]:
    """A query for each photo, joined by others of its kind up to `n`; at least one of the kind is left to be found."""
    rng = np.random.default_rng(SEED)
    queries = []
    for row, kind in enumerate(kinds):
        others = [other for other, its in enumerate(kinds) if its == kind and other != row]
        joined = [row, *rng.permutation(others)[: n - 1].tolist()]
        right = frozenset(others) - {*joined}
        query = mean_direction(vectors[joined])
        if right and query is not None:
            queries.append(Query(query, frozenset(joined), right, kind))
    return queries


def picture_rows(folder: Path, photos: Sequence[dict[str, str]]) -> Iterator[dict[str, object]]:
    """Scores of altered copies that seek their originals."""
    chosen = [photo for photo in photos if photo["source_group"] in SHOPS and photo["label"] in ("fashion", "beauty")]
    streets = [load(folder, photo) for photo in photos if photo["source_group"] == STREET]
    images = [load(folder, photo) for photo in chosen]
    vectors = embed(images)
    for edit, change in edits(streets).items():
        copies = embed([change(image) for image in images])
        for name, similarity in SIMILARITIES.items():
            compared, sought = similarity(vectors, vectors), similarity(copies, vectors)
            queries = [Query(one, frozenset(), frozenset([row]), str(row)) for row, one in enumerate(sought)]
            yield row_of("same_picture", edit, name, compared, queries)


def edits(streets: Sequence[Image.Image]) -> dict[str, Callable[[Image.Image], Image.Image]]:
    """Alterations by name."""
    rng = np.random.default_rng(SEED)
    return {
        "cropped": lambda image: image.crop(
            (int(0.15 * image.width), int(0.1 * image.height), int(0.85 * image.width), int(0.8 * image.height))
        ),
        "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "small": small,
        "pasted_70": lambda image: pasted(image, streets, share=0.7, rng=rng),
        "pasted_50": lambda image: pasted(image, streets, share=0.5, rng=rng),
    }


def small(image: Image.Image) -> Image.Image:
    """A thumbnail as strongly compressed JPEG."""
    copy = image.copy()
    copy.thumbnail((SMALL_PX, SMALL_PX))
    buffer = io.BytesIO()
    copy.save(buffer, "JPEG", quality=SMALL_QUALITY)
    return Image.open(buffer).convert("RGB")


def pasted(
    image: Image.Image, streets: Sequence[Image.Image], *, share: float, rng: np.random.Generator
) -> Image.Image:
    """The image somewhere over a street photo, its longest side `share` of the photo's short side."""
    photo, copy = streets[int(rng.integers(len(streets)))].copy(), image.copy()
    side = int(min(photo.size) * share)
    copy.thumbnail((side, side))
    left, top = rng.integers(photo.width - copy.width + 1), rng.integers(photo.height - copy.height + 1)
    photo.paste(copy, (int(left), int(top)))
    return photo


def row_of(
    proxy: str, queries: str, similarity: str, vectors: FloatArray, searches: Sequence[Query]
) -> dict[str, object]:
    """One line of the table: scores with the ends of their 95 % intervals."""
    names = [f"{row:04}" for row in range(len(vectors))]
    ranked = [ranking(search, names, vectors) for search in searches]
    truth = [{names[row] for row in search.right} for search in searches]
    groups = [search.group for search in searches]
    scores = score_retrieval(ranked, truth, rng=np.random.default_rng(SEED), groups=groups)
    line: dict[str, object] = {"proxy": proxy, "queries": queries, "similarity": similarity, "n_products": len(names)}
    for name, value in scores.items():
        if name.endswith("_ci"):
            line[f"{name[:-3]}_low"], line[f"{name[:-3]}_high"] = value
        else:
            line[name] = value
    return line


def ranking(search: Query, names: Sequence[str], vectors: FloatArray) -> list[str]:
    """Names of the products, the most similar first."""
    products = [Product(name, name, ("any",)) for row, name in enumerate(names) if row not in search.without]
    by_name = ProductVectors.of(dict(zip(names, vectors, strict=True)))
    ranked = rank_products(products, order="similar", subject_id="", vectors=by_name, query=search.vector)
    return [one.product.product_id for one in ranked]


def load(folder: Path, photo: Mapping[str, str]) -> Image.Image:
    """A photo of the manifest as RGB."""
    return Image.open(folder / photo["file"]).convert("RGB")


def embed(images: Sequence[Image.Image]) -> NDArray[np.float32]:
    """Features (N, D) by the shared encoder."""
    encoder = Encoder()
    return np.concatenate([encoder.embed([np.asarray(image)])[0] for image in images])


if __name__ == "__main__":
    main()
