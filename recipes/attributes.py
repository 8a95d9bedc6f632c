"""Train `face_look` and `face_attributes`: hat, beard, moustache, stubble, eyeglasses, sunglasses of a face.

    PYTHONPATH=src:tools python recipes/attributes.py cut --data ../shared/data --work .cache/attributes
    PYTHONPATH=src python recipes/attributes.py train --work .cache/attributes      # torch and timm; best on a GPU
    PYTHONPATH=src:tools python recipes/attributes.py export --work .cache/attributes --data ../shared/data

cut: 6 minutes on one core, photos to head crops (heads_*.npz, 35 MB) and the encoder's checkpoint. train: 3 minutes on
an NVIDIA H200, hours on two cores; seven nets. export: one minute; scores, thresholds, ONNX files, cards.

Each of three sources is held out in turn: a net trained on the others reads it, and its calibration and thresholds come
from nets that saw neither it nor the source they are read on. The shipped net is trained on all.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np

from attributes_heads import Heads, draw_weights, load_heads, targets

N_PARTS = 3  # files of crops, so that each travels by itself
SEED = 0


def main() -> None:
    """Run one step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("cut", "train", "export"))
    parser.add_argument("--data", type=Path, help="folder with attributes/, faces_identity/, expression/ and niche/")
    parser.add_argument("--work", type=Path, required=True, help="folder for what the steps leave for each other")
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    if args.step == "cut":
        cut(args.data, args.work)
    elif args.step == "train":
        train_all(args.work, args.device)
    else:
        from attributes_export import export_all

        export_all(args.data, args.work)


def cut(data: Path, work: Path) -> None:
    """Photos to crops, and the checkpoint that the nets start from."""
    from attributes_faces import cut_heads
    from attributes_heads import save_heads
    from attributes_net import start_weights

    work.mkdir(parents=True, exist_ok=True)
    heads = cut_heads(data)
    for number, rows in enumerate(np.array_split(np.arange(len(heads)), N_PARTS)):
        save_heads(heads[rows], work / f"heads_{number}.npz")
    start_weights(work)


def read_parts(work: Path) -> Heads:
    """The crops of `cut`."""
    return load_heads(sorted(work.glob("heads_*.npz")))


def train_all(work: Path, device: str) -> None:
    """Nets without one source, without two, and with all: logits.npz and net.safetensors."""
    import torch
    from safetensors.torch import save_file

    from attributes_net import ARCHITECTURE, Plan, decode, read, train

    torch.backends.cudnn.benchmark = True
    heads, plan, start = read_parts(work), Plan(), work / f"{ARCHITECTURE}.safetensors"
    images, truth, often = decode(heads.jpeg, device), targets(heads), draw_weights(heads)
    names = sorted(set(heads.source.tolist()))
    logits = {}
    for absent in [*((name,) for name in names), *combinations(names, 2), ()]:
        rows = np.flatnonzero(~np.isin(heads.source, absent))
        net = train(
            images[torch.from_numpy(rows).to(device)], truth[rows], often[rows], start=start, plan=plan, seed=SEED
        )
        looks, found = read(net, images, plan)
        logits["without " + " ".join(absent)] = found
        print("without", *absent, flush=True)
    np.savez(work / "logits.npz", **logits)
    np.savez(work / "looks.npz", looks=looks.astype(np.float16))
    state = {name: value.half() if "running_var" not in name else value for name, value in net.state_dict().items()}
    save_file({name: value.cpu().contiguous() for name, value in state.items()}, work / "net.safetensors")


if __name__ == "__main__":
    main()
