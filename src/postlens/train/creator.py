"""Post features to a trained creator model in a run folder: `postlens train creator`.

The folder holds recipe.toml, command.txt, splits.csv, training.log, tensorboard/, the best weights, last.ckpt to resume
from, and what `creator_outcome` writes. Minutes on a processor for thousands of posts.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as lightning
import numpy as np
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from postlens.errors import SettingsError, SplitError
from postlens.media.probe import display_name
from postlens.train.attention import AttentionNet
from postlens.train.bags import Bags, BagSource, MadeUpBags, PostFeatures, RealBags, bags_by_creator, labelled_part
from postlens.train.checkpoints import load_net
from postlens.train.creator_learner import CreatorData, CreatorLearner, Creators, predict_bags
from postlens.train.creator_outcome import write_creator_outcome
from postlens.train.creator_recipe import PHASE, CreatorRecipe, load_creator_recipe, write_creator_recipe
from postlens.train.fit import Machine, fit_phase, precision_of
from postlens.train.history import SCORE, Row, best_at, is_over
from postlens.train.keeper import Keeper
from postlens.train.labels import LabelledImages
from postlens.train.loggers import close_loggers, make_loggers
from postlens.train.loop import TrainResult
from postlens.train.run_folder import RunFolder, write_splits
from postlens.train.splits import Split, read_splits, split_by_group

# Made-up creators for validation and test: twenty of each niche. More narrow the intervals and take longer.
HELD_OUT_PER_NICHE = 20
log = logging.getLogger("postlens.train")


def train_creator(
    posts: PostFeatures,
    *,
    recipe: CreatorRecipe,
    out: Path,
    made_up: int | None = None,
    splits: Path | None = None,
    devices: int | str = 1,
    accelerator: str = "auto",
    resume: bool = False,
    loggers: Sequence[str] = (),
    progress: bool = True,
    command: str = "",
) -> TrainResult:
    """Train attention over the posts of creators, and write the run folder `out`.

    Args:
        posts: of creators, one label for all posts of each; or labelled photos, where `made_up` is given. Creators
            without a label are left out and named in the result and in training.log.
        made_up: an epoch has this many creators made up from the photos, see `bags.MadeUpBags`. Photos of one source
            are in one part only, and so are the creators made of them. None: the creators are those of the posts.
        splits: CSV with the columns group (the creator or source) and split. Default: drawn with the recipe's seed.
        devices: how many, or "auto".
        resume: go on after the last finished epoch of the run in `out`.
        loggers: of "wandb" and "mlflow"; TensorBoard always.

    Raises:
        UsageError: the folder holds another run, or settings do not fit (SettingsError, SplitError, ...).
        NotEnoughDataError: no posts, or a niche without photos in a part.
        ShapeError: creators with posts of several labels.
        ModelError: the exported model does not compute what the net does.
        DivergedError: the loss is no number; the best weights and the history of the epochs before are kept.
    """
    machine = Machine(devices, accelerator, 0, progress)
    precision_of(cast(Any, recipe), machine)
    posts, unlabelled = labelled_part(posts, of_creators=not made_up)
    run = _Run(CreatorFolder(out), recipe, _divide(posts, recipe, made_up, splits), machine)
    history = run.resume() if resume and run.folder.recipe.exists() else run.begin(command)
    with run.folder.logging() if run.writes else nullcontext():
        for name in unlabelled:
            log.warning("left out: %s: no label", name)
        net, history = run.fit(history, loggers=loggers)
        found = run.finish(net, history) if run.writes else TrainResult(out, tuple(history))
        return replace(found, left_out=unlabelled)


class CreatorFolder(RunFolder):
    """The folder of a creator training: as that of a post training, with a recipe of its own kind."""

    def begin_creator(self, recipe: CreatorRecipe, *, command: str) -> None:
        """Make the folder for a new run. Raises as `make` does."""
        self.make(command=command)
        write_creator_recipe(recipe, self.recipe)

    def check_same_creator(self, recipe: CreatorRecipe) -> None:
        """Raise `SettingsError` unless the run in the folder has the same recipe; what differs is told."""
        self.refuse_other(load_creator_recipe(self.recipe).model_dump(), recipe.model_dump())


@dataclass(frozen=True, slots=True)
class Divided:
    """The creators in their parts, and the rows that were divided: creators, or the photos they are made of."""

    creators: Creators
    rows: LabelledImages
    split: Split


def _divide(posts: PostFeatures, recipe: CreatorRecipe, made_up: int | None, splits: Path | None) -> Divided:
    """Raises `SplitError` where nothing is left to validate on."""
    bags = None if made_up else bags_by_creator(posts)
    rows = (
        LabelledImages(posts.ids, posts.labels, posts.creators, posts.classes)
        if bags is None
        else LabelledImages(bags.creators, bags.labels, bags.creators, posts.classes)
    )
    rng = np.random.default_rng(recipe.seed)
    split = split_by_group(rows, rng=rng) if splits is None else read_splits(splits, rows)
    if not len(split.val):
        raise SplitError("expected creators for validation, which choose the best epoch, got none; give some to val")
    train, val, test = _made_up(posts, split, recipe, made_up or 0, rng) if bags is None else _real(bags, split, recipe)
    return Divided(Creators(posts, train, val, test, _fingerprint(posts, split, made_up)), rows, split)


def _real(bags: Bags, split: Split, recipe: CreatorRecipe) -> tuple[BagSource, Bags, Bags]:
    train = RealBags(bags.take(split.train), recipe.fewest_posts, recipe.most_posts)
    return train, bags.take(split.val), bags.take(split.test)


def _made_up(
    posts: PostFeatures, split: Split, recipe: CreatorRecipe, n: int, rng: np.random.Generator
) -> tuple[BagSource, Bags, Bags]:
    sizes = {"fewest": recipe.fewest_posts, "most": recipe.most_posts}
    n_held_out = HELD_OUT_PER_NICHE * len(posts.classes)
    train = MadeUpBags.of(posts, split.train, n=n, **sizes)
    val = MadeUpBags.of(posts, split.val, n=n_held_out, **sizes).fixed(rng)
    if not len(split.test):
        return train, val, Bags((), (), np.zeros(0, np.int64))
    return train, val, MadeUpBags.of(posts, split.test, n=n_held_out, **sizes).fixed(rng)


def _fingerprint(posts: PostFeatures, split: Split, made_up: int | None) -> str:
    """16 hex digits that change when a post, a label, a vector's encoder or the split does."""
    words = [*posts.ids, *posts.creators, *posts.classes, posts.fingerprint, str(made_up)]
    digest = hashlib.sha256("\n".join(words).encode("utf-8", "surrogateescape"))
    for rows in (posts.labels, *split.parts.values()):
        digest.update(rows.tobytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class _Run:
    """One training in its folder."""

    folder: CreatorFolder
    recipe: CreatorRecipe
    divided: Divided
    machine: Machine

    @property
    def writes(self) -> bool:
        """Whether this is the first of the processes."""
        return int(rank_zero_only.rank) == 0

    @property
    def creators(self) -> Creators:
        return self.divided.creators

    def begin(self, command: str) -> list[Row]:
        """A new folder; nothing has been trained."""
        if self.writes:
            self.folder.begin_creator(self.recipe, command=command)
            write_splits(self.divided.rows, self.divided.split, self.folder.splits)
        return []

    def resume(self) -> list[Row]:
        """The history so far. Raises `SettingsError` where recipe or data are not those that it came from."""
        self.folder.check_same_creator(self.recipe)
        history, material = self.folder.read_state()
        if history and material != self.creators.fingerprint:
            raise SettingsError(
                f"{display_name(self.folder.path)}: expected the posts and splits that the run began with, got others; "
                "resume with the same features, or begin a run in a new folder"
            )
        return history

    def fit(self, history: list[Row], *, loggers: Sequence[str]) -> tuple[AttentionNet, list[Row]]:
        """Train on from the history; returns the net with its best weights, and the whole history."""
        curves = make_loggers(loggers, self.folder.path) if self.writes else []
        status = "failed"
        lightning.seed_everything(self.recipe.seed, workers=True, verbose=False)
        net = make_net(self.creators.posts, self.recipe)
        try:
            history = self._fit(net, history, curves)
            status = "success"
        finally:
            close_loggers(curves, status=status)
        load_net(cast(Any, net), self.folder.phase(1, PHASE))  # as history has it, whatever was killed in between
        return net, history

    def _fit(self, net: AttentionNet, history: list[Row], curves: Sequence[Any]) -> list[Row]:
        done = len(history)
        if is_over(history, self.recipe.phases[0], patience=self.recipe.patience):
            return history
        # The loop of post trainings runs this one too: learner, data and folder have what it asks of its own.
        keeper: Any = Keeper(self.folder, history, material=self.creators.fingerprint, loggers=curves)
        learner: Any = CreatorLearner(net, self.recipe, self.creators, show_loss=self.machine.shows_bar)
        data: Any = CreatorData(self.creators, self.recipe, first_epoch=done)
        log.info("%d creators, %d for validation", len(self.creators.train), len(self.creators.val))
        fit_phase(learner, data, keeper, machine=self.machine, resume_from=self.folder.last if done else None)
        return list(keeper.history)

    def finish(self, net: AttentionNet, history: list[Row]) -> TrainResult:
        """Predict validation and test creators with the best weights, and write what came of it."""
        creators, data, first = self.creators, CreatorData(self.creators, self.recipe), len(self.creators.train)
        val = predict_bags(net, data, creators.val, first=first, device=self.machine.device)
        test = predict_bags(net, data, creators.test, first=first + len(val), device=self.machine.device)
        write_creator_outcome(
            self.folder.path, net=net, recipe=self.recipe, history=history, val=val, test=test, creators=creators
        )
        log.info("done: best macro-F1 on validation %.4f", history[best_at(history) - 1][SCORE])
        return TrainResult(self.folder.path, tuple(history), val, test)


def make_net(posts: PostFeatures, recipe: CreatorRecipe) -> AttentionNet:
    """A new net for vectors and measures as the posts have them."""
    n_measures = 0 if posts.measures is None else posts.measures.shape[1]
    return AttentionNet(dim=posts.dim, n_classes=len(posts.classes), recipe=recipe, n_post_features=n_measures)
