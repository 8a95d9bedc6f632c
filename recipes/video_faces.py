"""Clips joined by cuts to how well sampling finds faces, their begins and ends, and cuts: fixed rates and adaptive.

python recipes/video_faces.py --clips FOLDER --work FOLDER [--n 8]     (about 4 minutes on one core)

Joins clips of FOLDER (several recordings each) to videos of 640x360 with known cuts, H.264 with a key frame at least
every 2 s or every 10 s. Truth is a search at 10 Hz of every frame, its tracks broken at the known cuts; tracks
shorter than 0.5 s or of quality below .3 are left out. Compared with `postlens analyze`'s own stages at 1 Hz and 2 Hz
without frames between, and with them (adaptive). Writes benchmarks/results/video_faces.csv.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np

from postlens.config import Settings
from postlens.media.decode import Decoding, decode_file
from postlens.pipelines.decode import new_work
from postlens.pipelines.face_stages import DetectStage, TrackStage, cuts_of
from postlens.pipelines.stage import MediaWork
from postlens.types import Faces
from postlens.vision.boxes import box_iou
from postlens.vision.cuts import worth_keeping
from postlens.vision.faces import FaceDetector
from postlens.vision.search import join_faces
from postlens.vision.tracks import link_tracks

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "video_faces.csv"
TRUTH_HZ = 10.0
SIZE = (640, 360)
RATE_HZ = 25
GOPS = (50, 250)
MIN_TRUE_S, MIN_TRUE_QUALITY = 0.5, 0.3
SAME_PLACE = 0.3  # IoU of a true face and a found one at about the same time
CUT_WITHIN_S = 0.5
WAYS = {"1 Hz": (1.0, False), "2 Hz": (2.0, False), "adaptive": (1.0, True)}


def main() -> None:
    """Join, search, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder for the joined videos")
    parser.add_argument("--n", type=int, default=8)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    rng, detector = np.random.default_rng(0), FaceDetector()
    clips = sorted(path for path in args.clips.glob("*.mp4") if "__" not in path.name and "noface" not in path.name)
    clips = [path for path in clips if not path.name.startswith("tmk")]  # they have cuts of their own
    scores: dict[str, list[dict[str, float]]] = defaultdict(list)
    for number in range(args.n):
        chosen = [clips[i] for i in rng.permutation(len(clips))[:4]]
        path = args.work / f"joined-{number}.mp4"
        cuts = join(chosen, path, gop=GOPS[number % len(GOPS)])
        truth = true_faces(path, cuts, detector)
        for way, (rate_hz, more) in WAYS.items():
            scores[way].append(compare(path, cuts, truth, rate_hz=rate_hz, more=more))
    write([summed(way, own) for way, own in scores.items()])
    print(RESULTS.read_text())


def join(clips: list[Path], path: Path, *, gop: int) -> list[float]:
    """Write the clips one after another; returns the times of the cuts."""
    cuts, n_frames = [], 0
    with av.open(path, "w") as container:
        stream: Any = container.add_stream("libx264", rate=RATE_HZ)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.options = {"g": str(gop), "preset": "veryfast", "threads": "1"}
        for clip in clips:
            cuts.append(n_frames / RATE_HZ)
            with av.open(clip) as source:
                for frame in source.decode(source.streams.video[0]):
                    shown = av.VideoFrame.from_ndarray(fitted(frame), format="rgb24")
                    shown.pts, n_frames = n_frames, n_frames + 1
                    container.mux(stream.encode(shown))
        container.mux(stream.encode())
    return cuts[1:]


def fitted(frame: Any) -> np.ndarray:
    """The frame in the middle of a grey one of SIZE."""
    ratio = min(SIZE[0] / frame.width, SIZE[1] / frame.height)
    width, height = round(frame.width * ratio), round(frame.height * ratio)
    canvas = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    top, left = (SIZE[1] - height) // 2, (SIZE[0] - width) // 2
    canvas[top : top + height, left : left + width] = frame.to_ndarray(format="rgb24", width=width, height=height)
    return canvas


def work_of(path: Path, *, rate_hz: float, keep: bool) -> MediaWork:
    """The video as the stages take it, sampled at a rate."""
    settings = Settings()
    how = Decoding(rate_hz=rate_hz, max_frames=10_000, max_side_px=settings.video_max_side_px)
    return new_work(decode_file(path, how=how, keep=worth_keeping if keep else None))


def true_faces(path: Path, cuts: list[float], detector: FaceDetector) -> Faces:
    """All faces at TRUTH_HZ, linked within the known shots; short and poor tracks are left out."""
    frames = work_of(path, rate_hz=TRUTH_HZ, keep=False).frames
    found = [
        detector.detect(image, scale=frames.scale, frame=i, pts_s=float(frames.pts_s[i]))
        for i, image in enumerate(frames.images)
    ]
    faces = link_tracks(join_faces(found), cuts=[cut - 1e-3 for cut in cuts])
    return faces[np.isin(faces.track_id, [n for n in np.unique(faces.track_id) if is_true(faces[faces.track_id == n])])]


def is_true(track: Faces) -> bool:
    """Whether a track is long and good enough that sampling has to find it."""
    return float(np.ptp(track.pts_s)) >= MIN_TRUE_S and float(track.quality.max()) >= MIN_TRUE_QUALITY


def compare(path: Path, cuts: list[float], truth: Faces, *, rate_hz: float, more: bool) -> dict[str, float]:
    """Scores of one video: true tracks found, errors of begins and ends in s, pieces per true track, cuts, cost."""
    detect, track = DetectStage(), TrackStage()
    detect.setup()
    started = time.thread_time()
    work = work_of(path, rate_hz=rate_hz, keep=more)
    work = work if more else replace(work, between=None)
    (work,) = track(detect((work,)))
    cpu_s = time.thread_time() - started
    faces, tracks = work.features.faces or Faces.none(), work.features.tracks
    spans = (
        {}
        if tracks is None
        else {
            int(name.rpartition(":")[2]): (float(a), float(b))
            for name, a, b in zip(tracks.track_id, tracks.start_s, tracks.end_s, strict=True)
        }
    )
    errors, pieces, n_true = [], [], 0
    for number in np.unique(truth.track_id) if len(truth) else ():
        own = truth[truth.track_id == number]
        n_true += 1
        met = matches(own, faces)
        if met:
            starts, ends = [spans[n][0] for n in met], [spans[n][1] for n in met]
            errors += [abs(min(starts) - own.pts_s.min()), abs(max(ends) - own.pts_s.max())]
            pieces.append(len(met))
    found_cuts = [(cut.last_s + cut.first_s) / 2 for cut in cuts_of(work, faces)]
    hit = sum(any(abs(cut - other) <= CUT_WITHIN_S for other in found_cuts) for cut in cuts)
    right = sum(any(abs(cut - other) <= CUT_WITHIN_S for cut in cuts) for other in found_cuts)
    spanning = sum(any(a + 0.05 < cut < b - 0.05 for cut in cuts) for a, b in spans.values())
    return {
        "n_true": n_true,
        "n_found": len(pieces),
        "pieces": float(sum(pieces)),
        "error_s": float(sum(errors)),
        "n_errors": len(errors),
        "n_tracks": len(spans),
        "n_cuts": len(cuts),
        "cuts_hit": hit,
        "n_cuts_found": len(found_cuts),
        "cuts_right": right,
        "spanning": spanning,
        "cpu_s": cpu_s,
        "n_frames": len(work.frames) + len(work.more),
        "length_s": work.features.media.duration_s or 0.0,
    }


def matches(own: Faces, faces: Faces) -> list[int]:
    """Tracks most of whose faces are at the times and places of a true track."""
    if not len(faces):
        return []
    near = np.abs(own.pts_s[:, None] - faces.pts_s[None]) <= 0.5 / TRUTH_HZ + 1e-3
    met = (near & (box_iou(own.xyxy_px, faces.xyxy_px) >= SAME_PLACE)).any(axis=0)
    return [number for number in np.unique(faces.track_id).tolist() if met[faces.track_id == number].mean() > 0.5]


def summed(way: str, own: list[dict[str, float]]) -> dict[str, Any]:
    """One row of the table."""
    total = {name: sum(one[name] for one in own) for name in own[0]}
    return {
        "way": way,
        "n_videos": len(own),
        "true_tracks": int(total["n_true"]),
        "found": round(total["n_found"] / total["n_true"], 3),
        "pieces_each": round(total["pieces"] / total["n_found"], 3),
        "begin_end_error_s": round(total["error_s"] / total["n_errors"], 3),
        "tracks": int(total["n_tracks"]),
        "tracks_over_a_cut": int(total["spanning"]),
        "cuts": int(total["n_cuts"]),
        "cuts_recall": round(total["cuts_hit"] / total["n_cuts"], 3),
        "cuts_precision": round(total["cuts_right"] / max(total["n_cuts_found"], 1), 3),
        "frames_a_second": round(total["n_frames"] / total["length_s"], 2),
        "cpu_s_a_minute": round(60 * total["cpu_s"] / total["length_s"], 2),
    }


def write(rows: list[dict[str, Any]]) -> None:
    """The table as CSV."""
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
