"""Reactions of a campaign to the cards that the page shows: bars, emoji and who decided, by creator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from postlens.pipelines.campaign import Campaign, CreatorAnswer
from postlens.pipelines.report.cards import POSTS_PER_CREATOR, PostCard, newest_by_creator
from postlens.pipelines.report.people import Images, Picture, tiny_picture
from postlens.tasks.reactions.summary import READERS, ReactionSummary, summarise
from postlens.types import PostAnalysis, ReactionForecast

BARS_SHOWN = 4  # most probable emotions of a post; those found are shown in any case
EMOJI_SHOWN = 8  # in a summary
CREATORS_SHOWN = 60  # with posts; beyond these a creator is a row of a table


@dataclass(frozen=True, slots=True)
class Bar:
    """One emotion of a post."""

    emotion: str
    prob: float
    threshold: float | None
    found: bool


@dataclass(frozen=True, slots=True)
class PostReaction:
    """One post as the section shows it."""

    title: str
    picture: Picture
    reaction: ReactionForecast
    bars: tuple[Bar, ...]
    decided: str  # "the scene alone: no face could be read"


@dataclass(frozen=True, slots=True)
class CreatorReactions:
    """One creator's summary and newest posts."""

    answer: CreatorAnswer
    summary: ReactionSummary
    posts: tuple[PostReaction, ...]

    @property
    def n_hidden(self) -> int:
        """Posts without a card."""
        return self.summary.n_posts - len(self.posts)

    @property
    def fits(self) -> tuple[tuple[str, int], ...]:
        """Emoji that no post rules out, and how many posts each fits."""
        return self.summary.never_blocked[:EMOJI_SHOWN]

    @property
    def refused(self) -> tuple[tuple[str, int], ...]:
        """Emoji that most posts rule out."""
        return self.summary.blocked[:EMOJI_SHOWN]

    @property
    def deciders(self) -> str:
        """ "the scene in 3, the faces in 1"."""
        return ", ".join(f"{READERS[name]} in {n_posts}" for name, n_posts in self.summary.decided_by)


def creator_reactions(
    campaign: Campaign, cards: Mapping[str, PostCard], images: Images
) -> tuple[list[CreatorReactions], list[CreatorReactions]]:
    """Creators with posts in which an emotion could be read: those with cards of their posts, and those without."""
    newest = newest_by_creator(campaign.posts)
    known = [
        (answer, [post for post in newest.get(answer.creator.creator_id, ()) if post.reaction is not None])
        for answer in campaign.creators
    ]
    known = [(answer, posts) for answer, posts in known if posts]
    return (
        [_creator(answer, posts, cards, images) for answer, posts in known[:CREATORS_SHOWN]],
        [CreatorReactions(answer, _summary(posts), ()) for answer, posts in known[CREATORS_SHOWN:]],
    )


def _creator(
    answer: CreatorAnswer, posts: Sequence[PostAnalysis], cards: Mapping[str, PostCard], images: Images
) -> CreatorReactions:
    shown = tuple(_post(cards[post.post.post_id], images) for post in posts[:POSTS_PER_CREATOR])
    return CreatorReactions(answer, _summary(posts), tuple(one for one in shown if one is not None))


def _summary(posts: Sequence[PostAnalysis]) -> ReactionSummary:
    return summarise(post.reaction for post in posts if post.reaction is not None)


def _post(card: PostCard, images: Images) -> PostReaction | None:
    reaction = card.post.reaction
    if reaction is None:
        return None
    return PostReaction(card.title, tiny_picture(card, images), reaction, bars_of(reaction), told_by(reaction))


def bars_of(reaction: ReactionForecast) -> tuple[Bar, ...]:
    """The emotions found, then the most probable others."""
    order = sorted(reaction.probs, key=lambda name: (name not in reaction.emotions, -reaction.probs[name]))
    n_shown = max(BARS_SHOWN, len(reaction.emotions))
    return tuple(
        Bar(name, reaction.probs[name], reaction.thresholds.get(name), name in reaction.emotions)
        for name in order[:n_shown]
    )


def told_by(reaction: ReactionForecast) -> str:
    """Which reader decided, and what there was to read."""
    who = READERS[reaction.decided_by]
    if reaction.reader == "scene":
        return f"{who} alone: no face could be read"
    if reaction.reader == "faces":
        return f"{who} alone: no scene could be read"
    n_faces = "1 face" if reaction.n_faces == 1 else f"{reaction.n_faces} faces"
    return who if reaction.reader == "model" else f"{who} (scene and {n_faces} read)"
