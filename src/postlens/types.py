"""The nouns of postlens: frozen records and column batches. numpy only, no I/O.

A record checks itself once, when built. Many things travel as columns of equal length N (`Faces`, `Embeddings`, ...)
that are sliced by mask, index array or slice, never as lists of dicts. Images are uint8 (H, W, 3) RGB, vectors
float32, times aware UTC; absent is `None`. Units end the names: `_px _s _hz`; times end in `_at`; counts begin `n_`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from postlens.errors import ShapeError

NICHES = ("beauty", "family", "fashion", "fitness", "food", "interior", "other", "pet", "travel")
EMOTIONS = ("happy", "sad", "angry", "fear", "surprise", "disgust", "neutral", "other")
ATTRIBUTES = ("hat", "beard", "moustache", "stubble", "eyeglasses", "sunglasses")
METRICS = (
    "views",
    "likes",
    "comments",
    "shares",
    "saves",
    "score",
)  # what a snapshot can count, in this order

UNKNOWN = "unknown"  # platform or handle where a source names none
PERSON_ID_PREFIX = "person-"  # of the ids that are made here
WHOLE = -1  # in place of a face's row: the whole image or video

MediaKind = Literal["image", "video"]
PeopleWeighting = Literal["post", "screen_time"]  # what a person's mean weighs posts by
FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
Image = NDArray[np.uint8]


def as_utc(value: datetime) -> datetime:
    """An aware UTC time; a naive one is taken as UTC."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def order_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once: those of METRICS in their order, then the others by name."""
    given = set(names)
    return (*(name for name in METRICS if name in given), *sorted(given.difference(METRICS)))


def _expect(name: str, array: NDArray[Any] | None, shape: tuple[int | None, ...]) -> None:
    """Raise `ShapeError` unless the array has the shape; `None` in it stands for any length."""
    if array is None:
        return
    fits = array.ndim == len(shape) and all(want in (None, got) for want, got in zip(shape, array.shape, strict=True))
    if not fits:
        wanted = "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"
        raise ShapeError(f"{name} must have shape {wanted}, got {array.shape}")


class Columns:
    """Base of the column batches: equal lengths, sliced by mask, index array or slice."""

    def __len__(self) -> int:
        """Number of rows: the length of the first array column."""
        for f in fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            if isinstance(value, np.ndarray | tuple) and f.name not in self.shared:
                return len(value)
        return 0

    @property
    def shared(self) -> tuple[str, ...]:
        """Fields that belong to the whole batch, not to a row."""
        return ()

    def __getitem__(self, rows: slice | NDArray[Any] | list[int]) -> Self:
        index = np.arange(len(self))[rows]
        changed: dict[str, Any] = {}
        for f in fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            if f.name in self.shared or not isinstance(value, np.ndarray | tuple):
                changed[f.name] = value
            elif isinstance(value, tuple):
                changed[f.name] = tuple(value[i] for i in index)
            else:
                changed[f.name] = value[index]
        return type(self)(**changed)


# --- posts ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MediaFile:
    """One image or video file, known by the sha256 of its bytes. Sizes are as displayed (after EXIF orientation)."""

    sha256: str
    kind: MediaKind
    path: str
    width_px: int
    height_px: int
    n_bytes: int
    duration_s: float | None = None
    frame_rate_hz: float | None = None
    partial: str | None = None  # why only a part could be decoded


@dataclass(frozen=True, slots=True)
class Creator:
    """An account that publishes posts (not a person seen in them)."""

    creator_id: str
    platform: str
    handle: str
    display_name: str | None = None


@dataclass(frozen=True, slots=True)
class EngagementSnapshot:
    """What a post had gathered when it was looked at. `None` is "not known" (hidden by the platform), never 0."""

    post_id: str
    observed_at: datetime | None = None
    views: float | None = None
    likes: float | None = None
    comments: float | None = None
    shares: float | None = None
    saves: float | None = None
    score: float | None = None
    followers: float | None = None  # of the creator at that time
    followees: float | None = None  # accounts that the creator followed at that time
    n_posts: float | None = None  # of the creator at that time
    other: Mapping[str, float] | None = None  # figures that are none of METRICS, by name

    @property
    def values(self) -> dict[str, float]:
        """The known figures by metric name, in the order of `order_metrics`, followers left out."""
        known = {name: value for name in METRICS if (value := getattr(self, name)) is not None}
        return known | {name: value for name, value in sorted((self.other or {}).items()) if name not in METRICS}


@dataclass(frozen=True, slots=True)
class Post:
    """One publication by a creator: its media by sha256, in order."""

    post_id: str
    creator_id: str
    platform: str
    media: tuple[str, ...]
    published_at: datetime | None = None
    caption: str | None = None
    alt_text: str | None = None  # the platform's description of the picture
    n_tagged: int | None = None  # accounts tagged in the pictures
    has_location: bool | None = None


@dataclass(frozen=True, slots=True)
class MediaRef:
    """Where a source says that a media file is: exactly one of path and url."""

    path: str | None = None
    url: str | None = None  # in normal form where it has one, see media.urls
    written: str | None = field(default=None, compare=False)  # the url as the source has it, where that differs

    def __post_init__(self) -> None:
        if (self.path is None) == (self.url is None):
            raise ShapeError(f"a MediaRef has either a path or a url, got path={self.path!r} and url={self.url!r}")

    @property
    def name(self) -> str:
        """What to call it in messages and as the key of the post."""
        return self.path if self.path is not None else str(self.url)


@dataclass(frozen=True, slots=True)
class SourcePost:
    """One post as a source describes it, before its media is opened."""

    handle: str
    media: tuple[MediaRef, ...]
    platform: str = UNKNOWN
    post_key: str | None = None  # the platform's own id where the source has one
    caption: str | None = None
    published_at: datetime | None = None
    observed_at: datetime | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)  # by name, of METRICS and others
    followers: float | None = None
    followees: float | None = None
    n_posts: float | None = None  # of the creator when it was looked at
    alt_text: str | None = None
    n_tagged: int | None = None
    has_location: bool | None = None
    label: str | None = None  # from a labelled folder or a label column
    origin: str = ""  # file and row it was read from, for messages

    @property
    def creator_id(self) -> str:
        """`platform:handle`, the key of the creator."""
        return f"{self.platform}:{self.handle}"

    @property
    def post_id(self) -> str:
        """Stable key: the platform's id where known, else a hash of creator and media location.

        Where no platform is named an id may be a row number, which the tables of two creators share: it then counts
        per creator, and not at all where the creator is unknown too.
        """
        if self.post_key is not None and self.platform != UNKNOWN:
            return f"{self.platform}:{self.post_key}"
        if self.post_key is not None and self.handle != UNKNOWN:
            return f"{self.creator_id}:{self.post_key}"
        text = "\n".join([self.creator_id, *(ref.name for ref in self.media)])
        return "p" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


# --- features -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FrameBatch(Columns):
    """Decoded frames of one media file; an image is one frame at 0 s."""

    images: tuple[Image, ...]  # each uint8 (H, W, 3) RGB, possibly at reduced scale
    pts_s: FloatArray  # (N,) seconds from the start
    index: IntArray  # (N,) running number among the decoded frames
    scale: float = 1.0  # decoded size / original size, in (0, 1]

    def __post_init__(self) -> None:
        _expect("pts_s", self.pts_s, (len(self.images),))
        _expect("index", self.index, (len(self.images),))


@dataclass(frozen=True, slots=True)
class Embeddings(Columns):
    """Vectors by id, all from one encoder."""

    ids: tuple[str, ...]
    vectors: FloatArray  # (N, D)
    fingerprint: str  # of the encoder's ModelSpec

    def __post_init__(self) -> None:
        _expect("vectors", self.vectors, (len(self.ids), None))


@dataclass(frozen=True, slots=True)
class Faces(Columns):
    """Faces of one image or frame sequence, in pixels of the original media."""

    xyxy_px: FloatArray  # (N, 4) left, top, right, bottom
    score: FloatArray  # (N,) detector's score in [0, 1]
    landmarks_px: FloatArray  # (N, K, 2) right eye, left eye, nose, mouth, ... as the detector's card says
    quality: FloatArray  # (N,) in [0, 1]: size, sharpness, pose and score
    frame: IntArray  # (N,) index of the frame
    pts_s: FloatArray  # (N,) time of the frame
    template: FloatArray | None = None  # (N, D) as the net gives them; identity_vectors makes them comparable
    expression: FloatArray | None = None  # (N, 8) probabilities in the order of EMOTIONS
    attributes: FloatArray | None = None  # (N, 6) probabilities in the order of ATTRIBUTES; NaN: quality too low
    looks: FloatArray | None = None  # (N, D) how the head around the face appears; NaN: not looked at
    track_id: IntArray | None = None  # (N,) number of the track within its media file
    thumbnails: tuple[bytes, ...] | None = None  # small JPEGs, empty where a face has none

    def __post_init__(self) -> None:
        n = len(self.xyxy_px)
        _expect("xyxy_px", self.xyxy_px, (None, 4))
        _expect("landmarks_px", self.landmarks_px, (n, None, 2))
        for name in ("score", "quality", "frame", "pts_s", "track_id"):
            _expect(name, getattr(self, name), (n,))
        for name in ("template", "expression", "attributes", "looks"):
            _expect(name, getattr(self, name), (n, None))
        if self.thumbnails is not None and len(self.thumbnails) != n:
            raise ShapeError(f"thumbnails must have {n} entries, got {len(self.thumbnails)}")

    @classmethod
    def none(cls, n_landmarks: int = 6) -> Faces:
        """A batch of no faces."""
        return cls(
            xyxy_px=np.zeros((0, 4), np.float32),
            score=np.zeros(0, np.float32),
            landmarks_px=np.zeros((0, n_landmarks, 2), np.float32),
            quality=np.zeros(0, np.float32),
            frame=np.zeros(0, np.int64),
            pts_s=np.zeros(0, np.float32),
        )


@dataclass(frozen=True, slots=True)
class FaceTracks(Columns):
    """One face followed through frames; in an image every face is a track of one frame."""

    track_id: tuple[str, ...]  # "<media sha256>:<number>"
    start_s: FloatArray  # (N,)
    end_s: FloatArray  # (N,)
    n_frames: IntArray  # (N,)
    quality: FloatArray  # (N,) of the best face
    template: FloatArray  # (N, D) identity vectors, quality-weighted means of unit length

    def __post_init__(self) -> None:
        n = len(self.track_id)
        for name in ("start_s", "end_s", "n_frames", "quality"):
            _expect(name, getattr(self, name), (n,))
        _expect("template", self.template, (n, None))


@dataclass(frozen=True, slots=True)
class FrameHashes(Columns):
    """PDQ hashes of frames (Facebook 2019): 256 bits each, with PDQ's own quality, and small pictures to compare."""

    bits: NDArray[np.uint8]  # (N, 32) packed
    quality: IntArray  # (N,) 0..100; below 50 a hash is not to be trusted
    pts_s: FloatArray  # (N,)
    sketch: NDArray[np.uint8] | None = None  # (N, 48, 48) the whole frame, grey, pressed into a square

    def __post_init__(self) -> None:
        _expect("bits", self.bits, (None, 32))
        _expect("quality", self.quality, (len(self.bits),))
        _expect("pts_s", self.pts_s, (len(self.bits),))
        if self.sketch is not None:
            _expect("sketch", self.sketch, (len(self.bits), 48, 48))


@dataclass(frozen=True, slots=True)
class Readings(Columns):
    """What a net of a product model read out of the pixels of one media file: columns of equal length."""

    fingerprint: str  # of the product model
    rows: IntArray  # (M,) rows of the file's `Faces`; WHOLE: of the whole image or video
    probs: FloatArray  # (M, K) in the order of the model's labels

    def __post_init__(self) -> None:
        _expect("rows", self.rows, (None,))
        _expect("probs", self.probs, (len(self.rows), None))

    @property
    def shared(self) -> tuple[str, ...]:
        """The fingerprint is of all rows."""
        return ("fingerprint",)


@dataclass(frozen=True, slots=True)
class MediaFeatures:
    """All facts of one media file that one pass brought; `None` where a stage did not run."""

    media: MediaFile
    thumbnail: bytes | None = None  # JPEG, longest side 320 px
    embeddings: Embeddings | None = None  # a row per frame, ids "<sha256>:<frame>"
    niche_embeddings: Embeddings | None = None  # the same frames by the encoder of the setting `niche_model`
    pts_s: FloatArray | None = None  # (N,) of the embeddings' frames
    measures: Mapping[str, float] | None = None  # simple image measures by name
    faces: Faces | None = None
    tracks: FaceTracks | None = None
    hashes: FrameHashes | None = None
    readings: tuple[Readings, ...] = ()  # of the nets that ran in this pass


# --- answers --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NichePrediction:
    """What a post or a creator is about."""

    subject_id: str
    label: str  # the answer: the most probable label, or "other" when none is sure
    probs: Mapping[str, float]  # calibrated, over NICHES, sums to 1
    attention: tuple[tuple[str, float], ...] = ()  # a creator's deciding posts and weights, highest first
    n_posts: int | None = None
    low_confidence: bool = False  # label is "other" because nothing else was sure

    @property
    def confidence(self) -> float:
        """Probability of the answer."""
        return self.probs[self.label]


@dataclass(frozen=True, slots=True)
class Appearance:
    """A person's face in a media file of a post, from start to end."""

    person_id: str
    post_id: str
    media: str
    track_id: str
    start_s: float
    end_s: float
    similarity: float  # 1 - distance / threshold scale, see the template's card


@dataclass(frozen=True, slots=True)
class Trend:
    """How a figure changes from post to post over time, in shares of the campaign's mean per 30 days."""

    slope: float  # 0.1: every 30 days the figure gains a tenth of the campaign's mean
    low: float  # 95 % interval
    high: float
    n_posts: int  # dated ones with the figure


@dataclass(frozen=True, slots=True)
class PersonPerformance:
    """How the posts that show a person did, by one metric. Posts without the figure are left out."""

    person_id: str
    metric: str
    n_posts: int
    mean: float  # weighted as `weighting` says
    median: float  # of the posts, never weighted
    interval: tuple[float, float] | None  # 95 % bootstrap interval of the mean; None below 2 posts
    screen_time_s: float
    best_post_id: str
    worst_post_id: str
    lift: float | None = None  # mean / mean of the campaign - 1, drawn towards 0 when posts are few
    n_videos: int = 0  # of the posts' media
    screen_share: float | None = None  # mean over the videos of screen time / duration, in [0, 1]; None: no video
    best: float | None = None  # the figure of best_post_id
    worst: float | None = None
    trend: Trend | None = None  # None: too few dated posts
    weighting: PeopleWeighting = "post"  # "post" too where a person has no screen time to weigh by
    n_effective: float = 0.0  # posts that count: n_posts, fewer when weighted (Kish 1965)


@dataclass(frozen=True, slots=True)
class Product:
    """One row of a catalog."""

    product_id: str
    title: str
    labels: tuple[str, ...]
    url: str | None = None
    image: str | None = None  # path or URL
    active: bool = True
    price: float | None = None
    currency: str | None = None
    audience: tuple[str, ...] = ()  # whom it is for, in the catalog's own words; (): everybody


@dataclass(frozen=True, slots=True)
class RankedProduct:
    """A product that fits, and why it stands where it does."""

    product: Product
    rank: int  # 1: the one to show
    similarity: float | None = None  # cosine of its image and the deciding images; None: not compared


@dataclass(frozen=True, slots=True)
class ItemShare:
    """How much of one item (hat, beard, eyewear, or one of an own model) a subject's images show."""

    item: str
    share: float  # of the images in which it could be read
    n_shown: int
    n_images: int
    label: str | None  # the label that is clearest in the best image; None: no image could be read
    score: float  # of that label there, in [0, 1]
    threshold: float  # of that label
    media: str | None  # sha256 of the best image
    face: int | None = None  # running number of the face that was read there; None: the whole image was


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The one product to show for a subject, and why; `product` is None when no items were detected."""

    subject_id: str
    product: Product | None
    label: str | None  # the item that won
    score: float  # of the label that decided, in the deciding image, in [0, 1]; low where the item is missing
    share: float  # of the images in which the item could be read that show it
    shares: Mapping[str, float]  # by item
    n_images: int  # in which the item could be read: those with a face, for what is worn on the head
    deciding_media: str | None
    reason: str
    attribute: str | None = None  # the label of the item that decided
    threshold: float | None = None  # of that label
    items: tuple[ItemShare, ...] = ()  # all items, in the order that breaks ties
    products: tuple[RankedProduct, ...] = ()  # the first of those that fit, the one to show first
    without_face: tuple[str, ...] = ()  # sha256 of the images without a usable face
    policy: Literal["matching", "missing"] = "matching"
    n_fitting: int = 0  # how many products fit

    @property
    def decided(self) -> ItemShare | None:
        """The share of the item that decided; `None` when none did."""
        return next((item for item in self.items if item.item == self.label), None)


@dataclass(frozen=True, slots=True)
class EngagementForecast:
    """Expected count of one metric for a post, with an interval and the baseline to beat."""

    post_id: str
    metric: str
    median: float | None  # None: not enough data
    lower: float | None
    upper: float | None
    coverage: float  # nominal, e.g. 0.9
    baseline: float | None  # the account's own median
    n_history: int
    actual: float | None = None
    note: str = ""  # why there is no forecast, or what it rests on
    method: Literal["accounts", "account", "median", "early", "none"] = "none"  # what answered
    percentile: float | None = None  # of the median among the account's earlier counts, 0..100


@dataclass(frozen=True, slots=True)
class ReactionForecast:
    """Which emotions an image conveys, and which emoji fit."""

    subject_id: str
    probs: Mapping[str, float]  # calibrated, multi-label, over EMOTIONS
    emotions: tuple[str, ...]  # those above their thresholds, most probable first
    allowed: tuple[str, ...]
    blocked: tuple[str, ...]
    reader: Literal["scene", "faces", "scene+faces", "model"]  # model: a net of `postlens train reactions`
    low_confidence: bool = False
    valence: float | None = None  # of the scene, 1 (unpleasant) to 7 (pleasant), as OASIS's raters gave it
    arousal: float | None = None  # of the scene, 1 (calm) to 7 (excited)
    n_faces: int = 0  # whose expressions counted
    decided_by: Literal["scene", "faces", "both", "model"] = "scene"  # which reader names the first emotion
    thresholds: Mapping[str, float] = field(default_factory=dict)


# --- provenance -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Everything needed to use one weight file: its card."""

    name: str
    version: str
    task: str
    file: str
    sha256: str
    licence: str
    source: str
    paper: str
    input_size: tuple[int, ...] = ()  # as the net takes it, without the batch axis
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    interpolation: str = ""
    channel_order: str = ""
    outputs: tuple[str, ...] = ()
    dim: int | None = None
    labels: tuple[str, ...] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    limits: str = ""
    trained_on: tuple[str, ...] = ()  # data sets and their licences
    train_manifests: tuple[str, ...] = ()  # sha256 of the manifests trained on, to tell in-sample scores
    upstream: tuple[str, ...] = ()  # fingerprints of the models whose outputs it takes

    @property
    def fingerprint(self) -> str:
        """16 hex digits over weights, preprocessing, thresholds and upstream models."""
        parts = [self.sha256, self.input_size, self.mean, self.std, self.interpolation, self.channel_order]
        parts += [self.labels, sorted(self.thresholds.items()), self.upstream]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a stored fact came from."""

    stage: str
    stage_version: str
    fingerprint: str
    input_sha256: str
    created_at: datetime
    code_version: str


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that could not be done: what, the error's class, and a sentence that helps."""

    subject: str  # file, URL or table row
    stage: str
    error: str
    message: str

    @classmethod
    def of(cls, subject: str, stage: str, error: BaseException) -> Failure:
        """The failure that an exception amounts to."""
        return cls(subject=subject, stage=stage, error=type(error).__name__, message=str(error) or repr(error))


@dataclass(frozen=True, slots=True)
class PostAnalysis:
    """All five answers for one post."""

    post: Post
    creator: Creator
    media: tuple[MediaFile, ...]
    niche: NichePrediction | None
    faces: tuple[Faces, ...]  # one batch per media file
    recommendation: Recommendation | None
    reaction: ReactionForecast | None
    forecast: EngagementForecast | None
    appearances: tuple[Appearance, ...] = ()  # only with a store: people live there
    failures: tuple[Failure, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values; faces without templates and thumbnails."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}


_PRIVATE = frozenset({"template", "looks", "thumbnails"})


def _plain(value: Any) -> Any:
    """Nested JSON-ready copy of records, arrays, times and mappings; NaN is None, identity vectors are left out."""
    if hasattr(value, "__dataclass_fields__"):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.name not in _PRIVATE}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.astype(float).round(4).tolist() if value.dtype.kind == "f" else value.tolist())
    return _plain_scalar(value)


def _plain_scalar(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isnan(value):
        return None
    return value.isoformat() if isinstance(value, datetime) else value
