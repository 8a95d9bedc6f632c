"""Labelled clips and photos to videos as people post them: 60 s of 720p with sound, cuts, faces and scenes without.

python benchmarks/video_material.py --clips FOLDER --photos FOLDER --out FOLDER [--contents 24] [--n 200]
(about 12 s of one core for each content; the copies cost nothing)

A content is a chain of shots of 2 to 12 s, joined by hard cuts: a clip of a talking or moving person played forth and
back, a clip that drifts over a photo, or a slow pan over a photo without people. H.264 (libx264) in MP4 with AAC
sound, at the usual distances of key frames (`GOPS`), frame rates and shapes. Files beyond the number of contents
repeat one under other bytes (an empty `free` box with a number): the work per file is the same, since nothing is
known of a file but its sha256.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]
DURATION_S = 60
GOPS = (30, 60, 120, 250)  # frames; 250 is libx264's own default, 1 to 4 s what platforms ask for
SHAPES = ((1280, 720), (720, 1280))  # width, height in px
RATES_HZ = (30, 25)
SHOT_S = (2.0, 12.0)
NOISE = (
    4.0  # standard deviation of grain added to 8-bit values: brings upscaled clips to about 2 Mbit/s, as posted videos
)
BITRATE_CRF = 23  # libx264's default
SAMPLE_RATE_HZ = 44_100


@dataclass(frozen=True, slots=True)
class Kind:
    """How a content is encoded."""

    size: tuple[int, int]
    rate_hz: int
    gop: int


def kind_of_content(number: int) -> Kind:
    """Every shape, rate and distance of key frames takes its turn."""
    return Kind(SHAPES[number % 2], RATES_HZ[number // 2 % 2], GOPS[number // 4 % len(GOPS)])


def write_contents(
    clips: Path, photos: Path, folder: Path, *, n: int, duration_s: float = DURATION_S
) -> Sequence[Path]:
    """`n` contents as `content-000.mp4`, ...; those that are there already are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    people, scenes = sorted(clips.glob("*.mp4")), sorted(photos.rglob("*.jpg"))
    paths = [folder / f"content-{number:03d}.mp4" for number in range(n)]
    for number, path in enumerate(paths):
        if not path.exists():
            rng = np.random.default_rng(number)
            kind = kind_of_content(number)
            partial = path.with_suffix(".part.mp4")
            write_video(partial, shots(people, scenes, kind, duration_s=duration_s, rng=rng), kind)
            partial.rename(path)
    return paths


def write_copies(contents: Sequence[Path], folder: Path, *, n: int) -> None:
    """`n` files of distinct bytes out of the contents, in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(n):
        data = contents[number % len(contents)].read_bytes()
        (folder / f"video-{number:04d}.mp4").write_bytes(data + (12).to_bytes(4, "big") + b"free" + number.to_bytes(4))


def shots(
    people: Sequence[Path], scenes: Sequence[Path], kind: Kind, *, duration_s: float, rng: np.random.Generator
) -> Iterator[Picture]:
    """The frames of a content, uint8 (height, width, 3), without noise."""
    left = round(duration_s * kind.rate_hz)
    while left > 0:
        n = min(left, round(rng.uniform(*SHOT_S) * kind.rate_hz))
        draw = rng.random()
        if draw < 0.7:
            frames = person(people[rng.integers(len(people))], kind, n=n)
        elif draw < 0.8:
            frames = drifting(people[rng.integers(len(people))], scenes[rng.integers(len(scenes))], kind, n=n, rng=rng)
        else:
            frames = pan(scenes[rng.integers(len(scenes))], kind, n=n, rng=rng)
        yield from frames
        left -= n


def person(clip: Path, kind: Kind, *, n: int) -> Iterator[Picture]:
    """A clip forth and back, filling the frame, at its own speed."""
    frames, rate_hz = read_clip(clip)
    for number in range(n):
        yield covering(turning(frames, int(number * rate_hz / kind.rate_hz)), kind.size)


def drifting(clip: Path, scene: Path, kind: Kind, *, n: int, rng: np.random.Generator) -> Iterator[Picture]:
    """A person's clip at two fifths of the frame's height, moving over a photo."""
    frames, rate_hz = read_clip(clip)
    width, height = kind.size
    ground = covering(read_photo(scene), kind.size)
    side = round(height * 0.4) if width > height else round(width * 0.6)
    start, end = rng.uniform(0, 1, 2), rng.uniform(0, 1, 2)
    for number in range(n):
        small = covering(turning(frames, int(number * rate_hz / kind.rate_hz)), (side, side))
        x, y = ((start + (end - start) * number / n) * (width - side, height - side)).astype(int)
        frame = ground.copy()
        frame[y : y + side, x : x + side] = small
        yield frame


def pan(scene: Path, kind: Kind, *, n: int, rng: np.random.Generator) -> Iterator[Picture]:
    """A photo at 1.2 times the frame, moving slowly."""
    width, height = kind.size
    ground = covering(read_photo(scene), (width * 6 // 5, height * 6 // 5))
    room = np.array([ground.shape[1] - width, ground.shape[0] - height])
    start, end = rng.uniform(0, 1, 2), rng.uniform(0, 1, 2)
    for number in range(n):
        x, y = ((start + (end - start) * number / n) * room).astype(int)
        yield np.ascontiguousarray(ground[y : y + height, x : x + width])


def turning(frames: Sequence[Picture], number: int) -> Picture:
    """Frame `number` of the sequence played forth and back without end."""
    period = max(2 * len(frames) - 2, 1)
    place = number % period
    return frames[place if place < len(frames) else period - place]


def covering(image: Picture, size: tuple[int, int]) -> Picture:
    """The image scaled to cover the size, cut in its middle."""
    width, height = size
    ratio = max(width / image.shape[1], height / image.shape[0])
    x, y = (image.shape[1] - width / ratio) / 2, (image.shape[0] - height / ratio) / 2
    box = (x, y, x + width / ratio, y + height / ratio)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, box=box))


def read_photo(path: Path) -> Picture:
    """The photo as uint8 RGB."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def read_clip(path: Path) -> tuple[list[Picture], float]:
    """All frames of a short clip and their rate."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)], float(
            stream.average_rate or 25
        )


def write_video(path: Path, frames: Iterator[Picture], kind: Kind) -> None:
    """Encode frames with a tone as sound."""
    with av.open(path, "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=kind.rate_hz)
        stream.width, stream.height, stream.pix_fmt = *kind.size, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": str(BITRATE_CRF), "g": str(kind.gop), "threads": "1"}
        sound = container.add_stream("aac", rate=SAMPLE_RATE_HZ)
        noise = grain(kind.size)
        for number, frame in enumerate(frames):
            picture: Any = av.VideoFrame.from_ndarray(with_grain(frame, noise, number), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, kind.rate_hz)
            container.mux(stream.encode(picture))
            if number % kind.rate_hz == 0:
                container.mux(sound.encode(tone(number // kind.rate_hz)))
        container.mux(stream.encode())
        container.mux(sound.encode())


def grain(size: tuple[int, int]) -> NDArray[np.int8]:
    """Noise for a frame and a margin from which every frame cuts its own part."""
    width, height = size
    rng = np.random.default_rng(0)
    return np.clip(np.rint(rng.normal(0, NOISE, (height + 64, width + 64, 1))), -100, 100).astype(np.int8)


def with_grain(frame: Picture, noise: NDArray[np.int8], number: int) -> Picture:
    """The frame with another cut of the noise for each number."""
    y, x = number * 29 % 64, number * 17 % 64
    part = noise[y : y + frame.shape[0], x : x + frame.shape[1]]
    return np.clip(frame.astype(np.int16) + part, 0, 255).astype(np.uint8)


def tone(second: int) -> Any:
    """One second of a quiet tone."""
    time_s = second + np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    wave = (0.1 * np.sin(2 * np.pi * 220 * time_s)).astype(np.float32)[None]
    frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
    frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, second * SAMPLE_RATE_HZ
    return frame


def main() -> None:
    """Write contents and copies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, required=True, help="folder of short MP4s with people")
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos without people")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--contents", type=int, default=24)
    parser.add_argument("--n", type=int, default=0, help="copies to write beside the contents")
    args = parser.parse_args()
    contents = write_contents(args.clips, args.photos, args.out / "contents", n=args.contents)
    write_copies(contents, args.out / "videos", n=args.n)


if __name__ == "__main__":
    main()
