"""The reference network beside the model of many accounts: one fold of its accounts held out, the others trained on.

`postlens train engagement --model accounts --cnn`. The network forecasts the posts of the first fold, so that its row
in the scores compares it with the model on the same posts, both without having seen these accounts. 1,000 photos take
two minutes on one core.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from postlens.errors import NotEnoughDataError
from postlens.tasks.engagement.history import known_count
from postlens.train.engagement import Material
from postlens.train.engagement_accounts import AccountsResult
from postlens.train.engagement_cnn import fit_cnn
from postlens.train.engagement_cnn_recipe import CnnSettings
from postlens.train.engagement_fit import account_folds
from postlens.train.engagement_photos import Photos, collect_photos
from postlens.train.engagement_scores import compare
from postlens.train.engagement_split import ACCOUNTS, split_others
from postlens.train.fit import Machine
from postlens.train.history import Row
from postlens.train.splits import Split

FOLD = 0  # of `engagement_fit.account_folds`: a fifth of the accounts, as in the published 80/20 split
MIN_PHOTOS = 10  # held out, and to train on; fewer compare nothing
FOLDER = "cnn"  # in the run folder
CNN_ROW = "reference network of pixels"  # in the table of baselines


@dataclass(frozen=True, slots=True)
class Network:
    """The reference network that is to stand beside a model of these accounts."""

    material: Material
    settings: CnnSettings
    machine: Machine | None
    photos: Photos
    split: Split

    @classmethod
    def read(cls, material: Material, settings: CnnSettings, machine: Machine | None = None) -> Self:
        """Collect and part the photos. Raises `NotEnoughDataError` for too few on either side."""
        photos = collect_photos(material.accounts, material.picture)
        test = np.flatnonzero(account_folds(len(material.accounts))[photos.account] == FOLD)
        n_others = len(photos) - len(test)
        if min(len(test), n_others) < MIN_PHOTOS:
            raise NotEnoughDataError(
                f"--cnn: expected {MIN_PHOTOS} photos with likes or more to hold out and to train on, got {len(test)} "
                f"and {n_others}; leave --cnn out, or add photos"
            )
        split = split_others(photos.account, test, rng=np.random.default_rng(settings.seed))
        return cls(material, settings, machine, photos, split)

    def beside(self, result: AccountsResult, *, out: Path) -> tuple[dict[str, Any], tuple[Row, ...]]:
        """Train in a folder of the run; the model's scores with the network among the baselines, and its losses.

        Raises as `engagement_cnn.fit_cnn`.
        """
        parts = (self.split, ACCOUNTS)
        found = fit_cnn(self.photos, self.settings, out=out / FOLDER, machine=self.machine, parts=parts)
        ids = [(int(self.photos.account[row]), self.photos.post_ids[row]) for row in self.split.test]
        logs = dict(zip(ids, found.outcomes.median.tolist(), strict=True))
        guess = np.array([logs.get(key, np.nan) for key in self._keys()], np.float64)
        row = compare(result.outcomes, guess[result.answered], rng=np.random.default_rng(0))
        own = {} if row is None else {CNN_ROW: row}
        return {**result.scores, "baselines": {**result.scores["baselines"], **own}}, found.history

    def _keys(self) -> Iterator[tuple[int, str]]:
        """Account and id of the posts with likes, in the order of `engagement_rows.build_table`."""
        for number, posts in enumerate(self.material.accounts.values()):
            for post in posts:
                if known_count(post, "likes") is not None:
                    yield number, post.post_id
