"""Pictures, or footage, to short H.264 clips without sound."""

import io
import itertools
from collections.abc import Iterable, Iterator, Mapping

import av
import numpy as np
from PIL import Image, ImageEnhance

from sample_campaign.records import Post, Shot

FRAME_RATE_HZ = 24
CRF = 26  # x264's quality: lower is sharper and larger; 26 keeps a 4 s clip of 480 px near 100 kB
# Plain C and one thread: x264's AVX-512 macroblock tree read uninitialised memory, and gave other bytes at each run.
REPEATABLE = {"threads": "1", "x264-params": "asm=0"}
KEY_FRAME_INTERVAL = 24  # one key frame a second, as phones record


def shot_frames(shot: Shot, *, picture: Image.Image, size_px: tuple[int, int]) -> Iterator[Image.Image]:
    """The frames of one move, eased at both ends; the view keeps the clip's proportions and stays inside."""
    count = round(shot.duration_s * FRAME_RATE_HZ)
    for index in range(count):
        t = index / max(count - 1, 1)
        eased = t * t * (3 - 2 * t)
        view = tuple(a + (b - a) * eased for a, b in zip(shot.start, shot.end, strict=True))
        frame = picture.resize(size_px, Image.Resampling.LANCZOS, box=_box(view, picture.size, size_px))
        dark, bright = shot.brightness
        yield ImageEnhance.Brightness(frame).enhance(dark + (bright - dark) * t)


def _box(view: tuple[float, ...], size: tuple[int, int], out: tuple[int, int]) -> tuple[float, float, float, float]:
    width = view[2] * size[0]
    height = width * out[1] / out[0]
    if width > size[0] or height > size[1]:
        raise ValueError(f"a view must fit into {size}, got {width:.0f} x {height:.0f}; make the shot's width smaller")
    left = min(max(view[0] * size[0] - width / 2, 0), size[0] - width)
    top = min(max(view[1] * size[1] - height / 2, 0), size[1] - height)
    return left, top, left + width, top + height


def footage_frames(post: Post, *, data: bytes) -> Iterator[Image.Image]:
    """A stretch of existing footage, at the clip's rate and size."""
    count = round(post.duration_s * FRAME_RATE_HZ)
    wanted = (post.start_s + index / FRAME_RATE_HZ for index in range(count))
    with av.open(io.BytesIO(data), "r") as container:
        first: float | None = None
        due = next(wanted)
        for frame in container.decode(video=0):
            first = frame.time if first is None else first
            while frame.time - first >= due:
                yield Image.fromarray(frame.to_ndarray(format="rgb24")).resize(post.size_px, Image.Resampling.LANCZOS)
                due = next(wanted, float("inf"))


def clip_bytes(post: Post, *, pictures: Mapping[str, Image.Image], footage: Mapping[str, bytes]) -> bytes:
    """Render and encode a post's clip as mp4."""
    if post.footage is not None:
        return encode(footage_frames(post, data=footage[post.footage]), size_px=post.size_px)
    moves = (shot_frames(shot, picture=pictures[shot.source], size_px=post.size_px) for shot in post.shots)
    return encode(itertools.chain.from_iterable(moves), size_px=post.size_px)


def encode(frames: Iterable[Image.Image], *, size_px: tuple[int, int]) -> bytes:
    """Encode frames with x264 such that the same library gives the same bytes."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE_HZ)
        stream.width, stream.height = size_px
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(CRF), "preset": "slow", "g": str(KEY_FRAME_INTERVAL), **REPEATABLE}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(frame), format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()
