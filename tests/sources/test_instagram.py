"""The influencer layout as it is published, as copies of it look, and as it breaks."""

from __future__ import annotations

import json
import re
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.errors import TableError
from postlens.sources import SOURCES, open_source
from postlens.sources.influencer_tables import MappingRow, find_tables, parse_post
from postlens.sources.instagram import Influencer, MappedPost, located_posts, read_influencers, read_mapping
from postlens.types import Failure, SourcePost

from ..influencers import FIRST_ID, INFLUENCERS, INFLUENCERS_HEAD, MAPPING, MAPPING_HEAD, write_influencers

MIB = 2**20


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two accounts, pet_0 and food_0, of two posts each."""
    return write_influencers(tmp_path / "data", n_per_category=1, posts=2, categories=("pet", "food"), size_px=16)


def tables(folder: Path, *, influencers: str = "anna\tpet\n", mapping: str = "", encoding: str = "utf-8") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "image").mkdir(exist_ok=True)
    (folder / INFLUENCERS).write_bytes(influencers.encode(encoding))
    (folder / MAPPING).write_bytes(mapping.encode(encoding))
    return folder


def posts_of(folder: Path) -> list[SourcePost]:
    return [item for item in open_source(folder) if isinstance(item, SourcePost)]


def failures_of(folder: Path) -> list[Failure]:
    return [item for item in open_source(folder) if isinstance(item, Failure)]


# --- posts ----------------------------------------------------------------------------------------------------------


def test_posts_carry_what_the_dataset_says(dataset):
    first, *_ = posts = posts_of(dataset)
    media = json.loads((dataset / "info" / f"pet_0-{FIRST_ID + 1}.info").read_text())
    assert [post.handle for post in posts] == ["pet_0", "pet_0", "food_0", "food_0"]
    assert (first.post_id, first.label, first.caption) == (f"instagram:{FIRST_ID + 1}", "pet", "A pet post")
    assert first.published_at == datetime(2017, 7, 15, 2, 40, tzinfo=UTC)
    assert first.metrics["likes"] == media["edge_media_preview_like"]["count"]
    assert first.followers is not None and first.followers >= 1000
    assert first.observed_at is None
    assert first.origin.endswith("mapping.txt, row 2")
    assert failures_of(dataset) == []


def test_the_layout_is_recognised_before_plain_folders(dataset, tmp_path):
    kinds = [source.name for source in SOURCES.values() if source.accepts(str(dataset))]
    assert kinds[:2] == ["instagram", "folder"]
    (dataset / MAPPING).unlink()
    assert not SOURCES["instagram"].accepts(str(dataset))


def test_a_subset_is_read_before_the_whole_and_either_can_be_named(dataset):
    (dataset / "smallInfluencers.txt").write_text(INFLUENCERS_HEAD + "pet_0\tpet\t1\t2\t3\n")
    (dataset / "smallMappings.txt").write_text(f"pet_0\t{FIRST_ID + 1}.info\t['{FIRST_ID + 1}.jpg']\n")
    assert len(posts_of(dataset)) == 1
    assert len(posts_of(dataset / "smallInfluencers.txt")) == 1
    assert len(posts_of(dataset / INFLUENCERS)) == 4


def test_half_a_pair_is_no_dataset(dataset):
    (dataset / MAPPING).rename(dataset / "smallMappings.txt")
    with pytest.raises(TableError, match=r"expected influencers\.txt and JSON-Image_files_mapping\.txt, or small"):
        find_tables(dataset)
    assert [failure.error for failure in open_source(dataset, kind="instagram")] == ["TableError"]


def test_the_images_of_a_carousel_keep_their_order(dataset):
    (dataset / MAPPING).write_text(f"food_0\t7.info\t['{FIRST_ID + 4}.jpg', '{FIRST_ID + 3}.jpg']\n")
    (post,) = posts_of(dataset)
    assert [Path(str(ref.path)).stem for ref in post.media] == [f"food_0-{FIRST_ID + 4}", f"food_0-{FIRST_ID + 3}"]


@pytest.mark.parametrize("place", ["image/anna-1.jpg", "image/1.jpg", "image/anna/1.jpg", "images/1.jpg"])
def test_images_are_found_where_copies_keep_them(place, tmp_path):
    folder = tables(tmp_path, mapping="anna\t1.info\t['1.jpg']\n")
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).touch()
    assert [post.media[0].path for post in posts_of(folder)] == [str(folder / place)]


@pytest.mark.parametrize(
    "place", ["info/anna-1.info", "info/1.info", "json/anna-1.json", "json/1.json", "anna-1.info", "image/anna-1.json"]
)
def test_metadata_is_found_where_copies_keep_it(place, tmp_path):
    folder = tables(tmp_path, mapping="anna\t1.info\t['1.jpg']\n")
    (folder / "image" / "1.jpg").touch()
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).write_text('{"edge_media_preview_like": {"count": 5}}')
    assert [post.metrics for post in posts_of(folder)] == [{"likes": 5.0}]


def test_long_ids_are_the_platforms_and_short_names_the_accounts(tmp_path):
    mapping = f"anna\t{FIRST_ID}.info\t['1.jpg']\nanna\t1.info\t['1.jpg']\nben\t1.info\t['1.jpg']\nben\t\t['1.jpg']\n"
    folder = tables(tmp_path, influencers="anna\tpet\nben\tpet\n", mapping=mapping)
    (folder / "image" / "1.jpg").touch()
    ids = [post.post_id for post in posts_of(folder)]
    assert ids[:3] == [f"instagram:{FIRST_ID}", "instagram:anna-1", "instagram:ben-1"]
    assert ids[3].startswith("p")


# --- lenient tables -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Username\tCategory\t#Followers\t#Followees\t#Posts\n=====\nanna\tpet\t12\t3\t4\n",
        "\ufeffusername\tcategory\t#followers\t#followees\t#posts\r\nanna\tpet\t12\t3\t4\r\n",
        "anna\tpet\t12\t3\t4",
        "=====\t====\n\n  @anna \t PET \t 12 \t3\t4\n\n",
        "Username Category #Followers #Followees #Posts\nanna pet 12 3 4\n",
        "Username\tCategory\nanna\tpet\t12.0\t3\t4\textra\n",
    ],
)
def test_influencers_are_read_in_all_spellings(text, tmp_path):
    assert list(read_influencers(tables(tmp_path, influencers=text))) == [Influencer("anna", "pet", 12, 3, 4)]


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("['a.jpg']", ("a.jpg",)),
        ("['a.jpg', 'b.jpg']", ("a.jpg", "b.jpg")),
        ('["a.jpg","b.jpg"]', ("a.jpg", "b.jpg")),
        ("[u'a.jpg', u'b.jpg']", ("a.jpg", "b.jpg")),
        ("\"['a.jpg', 'b.jpg']\"", ("a.jpg", "b.jpg")),
        ('"[""a.jpg""]"', ("a.jpg",)),
        (" [ 'a.jpg' , ] \r", ("a.jpg",)),
        ("[a.jpg, b.jpg]", ("a.jpg", "b.jpg")),
        ("a.jpg", ("a.jpg",)),
        ("a.jpg;b.jpg", ("a.jpg", "b.jpg")),
        ("['it\\'s, a [1].jpg', \"it's.jpg\"]", ("it's, a [1].jpg", "it's.jpg")),
    ],
)
def test_image_lists_are_read_in_all_quotings(cell, names):
    assert parse_post(MappingRow("anna", "1.info", cell, 1)).images == names


@given(
    st.lists(st.text(st.characters(exclude_characters="/\\\0", exclude_categories=["C", "Z"]), min_size=1), min_size=1)
)
def test_any_list_that_python_prints_is_read_back(names):
    names = [name for name in names if name != ".."] or ["a"]
    assert parse_post(MappingRow("anna", "1.info", str(names), 1)).images == tuple(names)


@pytest.mark.parametrize(
    "mapping", [MAPPING_HEAD + "anna\t1.info\t['1.jpg']\n", "Influencer_Name\tx\ty\n====\nanna 1.info ['1.jpg']\n"]
)
def test_the_mapping_is_read_with_tabs_and_spaces(mapping, tmp_path):
    (post,) = read_mapping(tables(tmp_path, mapping=mapping))
    assert isinstance(post, MappedPost)
    assert (post.username, post.metadata, post.images) == ("anna", "1.info", ("1.jpg",))


# --- what breaks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("influencers", "message", "kept"),
    [
        ("anna\tfasion\t1\n", "expected a category out of beauty, .*'fasion' \\(perhaps 'fashion'\\)", ["anna"]),
        ("anna\tcars\t1\n", "got 'cars'; correct it", ["anna"]),
        ("anna\n", "expected Username, Category, .* got 'anna'", []),
        ("\tpet\n", "expected Username, Category", []),
        ("../anna\tpet\n", "expected Username, Category", []),
        ("anna\tpet\tmany\n", "#Followers: expected a number .* got 'many'", ["anna"]),
        ("anna\tpet\nAnna\tfood\n", "'Anna' stands there twice", ["anna"]),
    ],
)
def test_bad_rows_of_influencers_are_failures(influencers, message, kept, tmp_path):
    items = list(read_influencers(tables(tmp_path, influencers=influencers)))
    (failure,) = [item for item in items if isinstance(item, Failure)]
    assert failure.error == "RowError"
    assert re.search(message, failure.message)
    assert [item.username for item in items if isinstance(item, Influencer)] == kept


def test_posts_of_an_unknown_category_are_kept_without_a_label(dataset):
    text = (dataset / INFLUENCERS).read_text().replace("\tpet\t", "\tpets and cars\t")
    (dataset / INFLUENCERS).write_text(text)
    assert [post.label for post in posts_of(dataset)] == [None, None, "food", "food"]
    assert [failure.error for failure in failures_of(dataset)] == ["RowError"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("anna\t1.info", "expected influencer_name, JSON_PostMetadata_file_name, Image_file_name"),
        ("anna\t1.info\t[]", r"expected a list of image files such as \['a.jpg'\], got '\[\]'"),
        ("anna\t1.info\t['1.jpg', '2", "expected a whole list"),
        ("anna\t1.info\t['1.jpg' '2.jpg']", "expected a list of image files"),
        ("anna\t1.info\t['../1.jpg']", "within the dataset's folder, got '../1.jpg'"),
        ("anna\t1.info\t['/etc/1.jpg']", "within the dataset's folder"),
        ("anna\t..\\1.info\t['1.jpg']", "within the dataset's folder"),
        ("a/b\t1.info\t['1.jpg']", "expected influencer_name"),
    ],
)
def test_bad_rows_of_the_mapping_are_failures(row, message, tmp_path):
    items = list(read_mapping(tables(tmp_path, mapping=f"{row}\nanna\t2.info\t['2.jpg']\n")))
    assert [type(item) for item in items] == [Failure, MappedPost]
    assert re.search(f"row 1: .*{message}", items[0].message)


def test_missing_images_are_a_failure_and_the_others_are_kept(dataset):
    (dataset / "image" / f"pet_0-{FIRST_ID + 1}.jpg").unlink()
    (dataset / MAPPING).write_text(f"pet_0\t1.info\t['{FIRST_ID + 1}.jpg', '{FIRST_ID + 2}.jpg']\n")
    (located, failure) = sorted(located_posts(dataset), key=lambda item: isinstance(item, Failure))
    assert located.missing == (f"{FIRST_ID + 1}.jpg",)
    assert len(located.images) == 1
    assert failure.error == "MediaNotFoundError"
    assert "(1 of 2 images missing); copy the files there (the post is kept with the others)" in failure.message


def test_a_post_without_any_image_is_a_failure_only(dataset):
    (dataset / "image" / f"pet_0-{FIRST_ID + 1}.jpg").unlink()
    assert len(posts_of(dataset)) == 3
    assert [(f.error, "the post is left out" in f.message) for f in failures_of(dataset)] == [
        ("MediaNotFoundError", True)
    ]


def test_a_dataset_without_an_image_folder_says_so_once(dataset):
    (dataset / "image").rename(dataset / "pictures")
    assert [f.error for f in failures_of(dataset)] == ["SourceError", "EmptySourceError"]


def test_an_unknown_account_is_told_once(dataset):
    with (dataset / MAPPING).open("a") as file:
        file.writelines(f"ghost\t{number}.info\t['{number}.jpg']\n" for number in range(5))
    (failure,) = failures_of(dataset)
    assert "expected an account out of influencers.txt, got 'ghost'; add it there" in failure.message


def test_missing_metadata_costs_only_the_metadata(dataset):
    (dataset / "info" / f"pet_0-{FIRST_ID + 1}.info").unlink()
    posts = posts_of(dataset)
    assert [(post.caption is None, post.published_at is None, post.metrics == {}) for post in posts] == [
        (True,) * 3,
        *[(False,) * 3] * 3,
    ]
    assert posts[0].post_id == f"instagram:{FIRST_ID + 1}"
    assert ["expected a metadata file of pet_0" in f.message for f in failures_of(dataset)] == [True]


def test_no_metadata_at_all_is_one_failure(dataset):
    (dataset / "info").rename(dataset / "kept elsewhere")
    assert len(posts_of(dataset)) == 4
    (failure,) = failures_of(dataset)
    assert "expected metadata files in info/ or json/, got no such folder" in failure.message


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"null", b"[" * 100_000, b'{"a": 1' + b"0" * 9999])
def test_unreadable_metadata_is_a_failure_and_the_post_stays(content, dataset):
    (dataset / "info" / f"pet_0-{FIRST_ID + 1}.info").write_bytes(content)
    assert len(posts_of(dataset)) == 4
    (failure,) = failures_of(dataset)
    assert "cannot be read" in failure.message and failure.subject.endswith(".info")


def test_an_odd_field_costs_only_that_field(dataset):
    media = {
        "taken_at_timestamp": "soon",
        "edge_media_preview_like": {"count": 3},
        "edge_media_to_comment": {"count": -1},
    }
    (dataset / "info" / f"pet_0-{FIRST_ID + 1}.info").write_text(json.dumps({"graphql": {"shortcode_media": media}}))
    post = posts_of(dataset)[0]
    assert (post.metrics, post.published_at) == ({"likes": 3.0}, None)  # -1 is "hidden"
    assert "taken_at_timestamp: expected a date" in failures_of(dataset)[0].message


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_bytes_are_posts_or_failures(tmp_path_factory, influencers, mapping):
    folder = tables(tmp_path_factory.mktemp("any"))
    (folder / INFLUENCERS).write_bytes(b"anna\tpet\n" + influencers)
    (folder / MAPPING).write_bytes(b"anna\t1.info\t" + mapping)
    assert all(isinstance(item, SourcePost | Failure) for item in open_source(folder))
    for item in open_source(folder):
        str(item).encode("utf-8")


# --- memory ---------------------------------------------------------------------------------------------------------


def peak_mib(work: Callable[[], object]) -> float:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_mapping(tmp_path):
    row = "anna\t{0}.info\t['{0}.jpg', '{0}_2.jpg']\n"
    folder = tables(tmp_path, mapping="".join(row.format(FIRST_ID + n) for n in range(20_000)))  # 1.3 MiB of text
    n_read = 0

    def read() -> None:
        nonlocal n_read
        n_read = sum(isinstance(item, MappedPost) for item in read_mapping(folder))

    assert peak_mib(read) < 4  # the rows as records take 8; the interpreter's own tables may grow by 2 meanwhile
    assert n_read == 20_000
