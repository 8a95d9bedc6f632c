"""Batches: every row once, the same draws on any number of processes and workers, weights respected."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from postlens.errors import SettingsError
from postlens.train.augment import eval_transform, train_transform
from postlens.train.augment_recipe import AugmentRecipe
from postlens.train.cache import build_cache
from postlens.train.data import (
    Batches,
    EpochSampler,
    Loading,
    Material,
    NicheData,
    RowSampler,
    eval_loader,
    make_loader,
)
from postlens.train.labels import Split, read_labelled_images
from postlens.train.pictures import ImageFiles, open_pictures, square_of

from .small import SIZE_PX, drawn_folders, small_recipe

N = 36


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return drawn_folders(tmp_path_factory.mktemp("drawn") / "images")


@pytest.fixture(scope="module")
def cache(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("cache") / "c"
    build_cache(read_labelled_images(data), out, size_px=SIZE_PX, workers=1)
    return out


@given(n=st.integers(1, 50), world=st.integers(1, 5), epoch=st.integers(0, 3), seed=st.integers(0, 9))
def test_all_processes_together_see_every_row_and_take_equally_many(n, world, epoch, seed):
    samplers = [EpochSampler(np.arange(n), seeds=(seed,), rank=rank, world=world) for rank in range(world)]
    for sampler in samplers:
        sampler.set_epoch(epoch)
    shares = [list(sampler) for sampler in samplers]
    assert len({len(share) for share in shares}) == 1 == len({len(sampler) for sampler in samplers})
    rows = [row for share in shares for row, _ in share]
    assert set(rows) == set(range(n))
    assert len(rows) - n < world


def test_an_epoch_can_be_asked_for_again_and_differs_from_others():
    sampler = EpochSampler(np.arange(20), seeds=(1, 0))
    first = list(sampler)
    assert list(sampler) == first
    sampler.set_epoch(1)
    assert [row for row, _ in sampler] != [row for row, _ in first]
    assert len({seed for _, seed in first}) == 20


def test_rows_are_drawn_as_often_as_they_weigh():
    weights = np.array([3.0] * 100 + [1.0] * 900)
    rows = [row for row, _ in EpochSampler(np.arange(1000), seeds=(0,), weights=weights)]
    assert 190 < sum(row < 100 for row in rows) < 310  # a quarter of 1000 expected


@given(n=st.integers(0, 50), world=st.integers(1, 5))
def test_validation_rows_are_shared_out_without_repeats(n, world):
    shares = [[row for row, _ in RowSampler(np.arange(n), rank=rank, world=world)] for rank in range(world)]
    assert sorted(row for share in shares for row in share) == list(range(n))


def loaded(pictures, *, workers: int, batch_size: int = 5) -> list[torch.Tensor]:
    transform = train_transform(AugmentRecipe(), size_px=SIZE_PX)
    sampler = EpochSampler(np.arange(len(pictures.labelled)), seeds=(0, 0))
    loading = Loading(batch_size, workers)
    return [images for images, _ in make_loader(pictures, sampler, transform, loading=loading, train=True)]


def test_workers_and_what_was_drawn_before_change_nothing(cache):
    pictures = open_pictures(cache, size_px=SIZE_PX)
    here = loaded(pictures, workers=0)
    torch.manual_seed(7)
    there = loaded(pictures, workers=1)
    assert all(torch.equal(a, b) for a, b in zip(here, there, strict=True))


def test_drawing_for_images_leaves_the_global_generator_alone(cache):
    pictures = open_pictures(cache, size_px=SIZE_PX)
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    loaded(pictures, workers=0)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(("n", "batch_size", "sizes"), [(10, 4, [4, 4]), (3, 4, [3]), (8, 4, [4, 4])])
def test_batches_go_on_with_the_next_epoch(n, batch_size, sizes):
    sampler = EpochSampler(np.arange(n), seeds=(0,))
    batches = Batches(sampler, batch_size=batch_size, first_epoch=2)
    got = list(itertools.islice(batches, 2 * len(sizes)))
    assert [len(batch) for batch in got] == sizes * 2
    assert batches.per_epoch == len(sizes)
    sampler.set_epoch(3)
    assert [item for batch in got[len(sizes) :] for item in batch] == list(sampler)[: sum(sizes)]


def test_each_iteration_of_the_training_loader_is_an_epoch(cache):
    pictures = open_pictures(cache, size_px=SIZE_PX)
    material = Material(pictures, pictures.labelled, Split(np.arange(20), np.arange(20, 30), np.arange(30, N)))
    data = NicheData(material, small_recipe(), phase=0, first_epoch=0, loading=Loading(5, workers=1))
    loader = data.train_dataloader()
    epochs = [[row for _, rows in loader for row in rows.tolist()] for _ in range(2)]
    data.close()
    assert [sorted(rows) for rows in epochs] == [list(range(20))] * 2
    assert epochs[0] != epochs[1]
    later = NicheData(material, small_recipe(), phase=0, first_epoch=1, loading=Loading(5, workers=0))
    assert [row for _, rows in later.train_dataloader() for row in rows.tolist()] == epochs[1]


def test_a_last_batch_that_is_not_full_is_left_out_unless_it_is_the_only_one(cache):
    pictures = open_pictures(cache, size_px=SIZE_PX)
    assert [len(images) for images in loaded(pictures, workers=0, batch_size=25)] == [25]
    assert [len(images) for images in loaded(pictures, workers=0, batch_size=99)] == [N]


def test_files_give_what_their_cache_gives(data, cache):
    files, cached = (open_pictures(path, size_px=SIZE_PX) for path in (data, cache))
    assert files.labelled.paths == cached.labelled.paths
    assert all(np.array_equal(files.image(row), cached.image(row)) for row in range(0, N, 7))


def test_evaluation_sees_each_row_once_in_order(cache):
    pictures, rows = open_pictures(cache, size_px=SIZE_PX), np.array([5, 3, 8])
    ((images, got),) = eval_loader(pictures, rows, size_px=SIZE_PX, loading=Loading(9, 0))
    assert got.tolist() == [5, 3, 8]
    assert np.array_equal(images[0].permute(1, 2, 0).numpy(), pictures.image(5))


def test_a_cache_of_smaller_pictures_is_refused(cache):
    with pytest.raises(SettingsError, match="--size 64"):
        open_pictures(cache, size_px=64)


def test_a_larger_stored_picture_is_brought_to_size(cache):
    pictures = open_pictures(cache, size_px=16)
    assert square_of(pictures, 0, size_px=16).shape == (16, 16, 3)
    assert eval_transform(size_px=16)(torch.from_numpy(pictures.image(0)).permute(2, 0, 1)).shape == (3, 16, 16)


def test_files_that_cannot_be_decoded_are_failures(tmp_path):
    folder = drawn_folders(tmp_path / "images", n_groups=1)
    (folder / "beauty" / "x.png").write_bytes(b"no picture")
    files = ImageFiles(read_labelled_images(folder), size_px=SIZE_PX)
    usable = files.usable(workers=2)
    assert len(usable.labelled) == len(files.labelled) - 1
    assert [failure.stage for failure in usable.labelled.failures] == ["train"]
