"""Small data sets of emotions in each layout: drawn pictures whose colour and shape tell the emotion."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from postlens.train.reactions_recipe import REACTION_RECIPES
from postlens.train.recipe import Phase, Recipe, load_recipe

COLOURS = {"happy": (240, 200, 40), "sad": (40, 60, 160), "angry": (200, 30, 30), "fear": (60, 20, 80)}
SIZE_PX = 32
AFFECTNET = {"neutral": 0, "happy": 1, "sad": 2, "surprise": 3, "fear": 4, "disgust": 5, "angry": 6}


def draw_emotion(path: Path, emotion: str, *, seed: int = 0, grey: bool = False) -> Path:
    """One picture: a ground in the emotion's colour with a mouth that is up or down."""
    rng = np.random.default_rng(seed)
    colour = np.array(COLOURS.get(emotion, (120, 120, 120)))
    ground = np.clip(colour + rng.normal(0, 12, (48, 48, 3)), 0, 255).astype(np.uint8)
    image = Image.fromarray(ground)
    turn = (0, 180) if emotion == "happy" else (180, 360)
    ImageDraw.Draw(image).arc((12, 16, 36, 40), *turn, fill=(255, 255, 255), width=4)
    path.parent.mkdir(parents=True, exist_ok=True)
    (image.convert("L") if grey else image).save(path)
    return path


def write_folders(root: Path, *, labels: tuple[str, ...] = ("happy", "sad", "angry"), n: int = 8) -> Path:
    """`root/<label>/<n>.png`."""
    for k, label in enumerate(labels):
        for i in range(n):
            draw_emotion(root / label / f"{i}.png", label, seed=100 * k + i)
    return root


def write_affectnet_tables(root: Path) -> Path:
    """training.csv with a header and validation.csv without one, images below Manually_Annotated_Images."""
    header = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
    rows = {"training": [("happy", 1), ("sad", 2), ("contempt", 7), ("none", 8)], "validation": [("angry", 6)]}
    for name, own in rows.items():
        lines = [header] if name == "training" else []
        for emotion, number in own:
            draw_emotion(root / "Manually_Annotated_Images" / "12" / f"{emotion}.png", emotion)
            lines.append(f"12/{emotion}.png,0,0,48,48,1;2;3,{number},0.1,0.2")
        (root / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return root


def write_affectnet_folders(root: Path) -> Path:
    """train/1, train/2, val/1, val/6."""
    for part, numbers in (("train", (1, 2)), ("val", (1, 6))):
        for number in numbers:
            draw_emotion(root / part / str(number) / f"{part}.png", {1: "happy", 2: "sad", 6: "angry"}[number])
    return root


def write_fi_folders(root: Path) -> Path:
    """A folder for each of some of Mikels' eight."""
    for label in ("amusement", "awe", "sadness"):
        draw_emotion(root / label / f"{label}_1.png", label)
    return root


def write_fi_lists(root: Path) -> Path:
    """images/flickr and images/instagram, annotations/train.txt and annotations/test.csv."""
    draw_emotion(root / "images" / "flickr" / "1.png", "happy")
    draw_emotion(root / "images" / "instagram" / "2 b.png", "sad")
    draw_emotion(root / "images" / "flickr" / "3.png", "fear")
    (root / "annotations").mkdir()
    (root / "annotations" / "train.txt").write_text("1.png contentment\nimages/instagram/2 b.png sadness\n")
    (root / "annotations" / "test.csv").write_text("image_name,emotion\n3.png,fear\nabsent.png,awe\n")
    return root


def write_emoset(root: Path, *, splits: bool = True) -> Path:
    """image/, annotation/ and, with `splits`, train.json and test.json."""
    parts = {"train": ("amusement", "anger"), "test": ("sadness",)}
    for part, emotions in parts.items():
        entries = []
        for emotion in emotions:
            image, note = f"image/{emotion}/{emotion}_0.jpg", f"annotation/{emotion}/{emotion}_0.json"
            draw_emotion(root / image, emotion)
            (root / note).parent.mkdir(parents=True, exist_ok=True)
            values = {"image_id": f"{emotion}_0", "emotion": emotion, "brightness": 0.4, "object": ["cup"]}
            (root / note).write_text(json.dumps(values))
            entries.append([emotion, image, note])
        if splits:
            (root / f"{part}.json").write_text(json.dumps(entries))
    return root


def write_fer2013(path: Path, *, n: int = 2) -> Path:
    """The table of pixels: n pictures of each of three emotions for training, one of each for the two tests."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["emotion", "pixels", "Usage"])
        for usage, count in (("Training", n), ("PublicTest", 1), ("PrivateTest", 1)):
            for label, level in (("0", 40), ("3", 220), ("4", 120)):
                for i in range(count):
                    rng = np.random.default_rng([int(label), i, len(usage)])
                    pixels = np.clip(rng.normal(level, 20, 48 * 48), 0, 255).astype(int)
                    writer.writerow([label, " ".join(map(str, pixels)), usage])
    return path


def write_csv(path: Path, lines: list[str]) -> Path:
    """A table beside one picture of each emotion, named by it."""
    for emotion in COLOURS:
        draw_emotion(path.parent / f"{emotion}.png", emotion)
    path.write_text("\n".join(lines) + "\n")
    return path


def small_recipe(**values: object) -> Recipe:
    """The default recipe's settings with a tiny net of random weights, for one epoch."""
    phases = (Phase(name="all", epochs=1, unfrozen_layers=1000, learning_rate=5e-3, warmup_epochs=0),)
    fixed = {"backbone": "test_efficientnet", "weights": "none", "input_size": (3, SIZE_PX, SIZE_PX), "batch_size": 4}
    fixed |= {"batch_norm": "train", "phases": phases}
    return load_recipe("efficientnet_lite0", folder=REACTION_RECIPES).changed(**(fixed | values))
