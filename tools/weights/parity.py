"""Second, independent readings of the checkpoints in PyTorch, to which the ONNX files are compared."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F  # noqa: N812 - the name PyTorch users know

from weights.faceapi import Stored
from weights.tfjs import TfjsModel, attribute

Arrays = dict[str, NDArray[np.float32]]


def lite0(state: Mapping[str, NDArray[np.float32]], image: NDArray[np.float32]) -> Arrays:
    """timm's tf_efficientnet_lite0 with the checkpoint's tensors assigned in order of their definition."""
    import timm

    net = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    own = {name: tensor for name, tensor in net.state_dict().items() if tensor.ndim}
    net.load_state_dict(
        {name: torch.tensor(value) for name, value in zip(own, state.values(), strict=True)}, strict=False
    )
    with torch.no_grad():
        features = net.forward_head(net.forward_features(torch.tensor(image)), pre_logits=True)
        return {"features": features.numpy(), "logits": net.get_classifier()(features).numpy()}


def mtcnn(state: Mapping[str, NDArray[np.float32]], image: NDArray[np.float32]) -> Arrays:
    """The net that `state` belongs to, told by its layers: P (no dense layer), R (dense4) or O (dense5)."""
    p = {name: torch.tensor(value) for name, value in state.items()}
    x = torch.tensor(image)
    pools = {"1": 2} if "dense4.weight" not in p and "dense5.weight" not in p else {"1": 3, "2": 3}
    pools |= {"3": 2} if "dense5.weight" in p else {}
    for number in (n for n in "1234" if f"conv{n}.weight" in p):
        x = F.prelu(F.conv2d(x, p[f"conv{number}.weight"], p[f"conv{number}.bias"]), p[f"prelu{number}.weight"])
        x = F.max_pool2d(x, pools[number], 2, ceil_mode=True) if number in pools else x
    return _mtcnn_outputs(x, p)


def _mtcnn_outputs(x: torch.Tensor, p: Mapping[str, torch.Tensor]) -> Arrays:
    if "conv4_1.weight" in p:
        face = F.conv2d(x, p["conv4_1.weight"], p["conv4_1.bias"]).softmax(1)[:, 1]
        return {
            "face_prob": face.numpy(),
            "offsets": F.conv2d(x, p["conv4_2.weight"], p["conv4_2.bias"]).numpy(),
        }
    last = "5" if "dense5.weight" in p else "4"
    x = F.linear(x.permute(0, 3, 2, 1).flatten(1), p[f"dense{last}.weight"], p[f"dense{last}.bias"])
    x = F.prelu(x, p[f"prelu{last}.weight"])
    heads = [F.linear(x, p[f"{h}.weight"], p[f"{h}.bias"]) for h in sorted(n[:-7] for n in p if "_" in n and "w" in n)]
    named = dict(zip(("face_prob", "offsets", "landmarks"), heads, strict=False))
    return {n: (h.softmax(1)[:, 1] if n == "face_prob" else h).numpy() for n, h in named.items()}


def template(tensors: Mapping[str, Stored], image: NDArray[np.float32]) -> Arrays:
    """dlib's ResNet-29 from the dequantised tensors; blocks are taken in the manifest's order."""
    p = {name: torch.tensor(stored.values()) for name, stored in tensors.items()}

    def conv_scale(x: torch.Tensor, name: str, stride: int, pad: int) -> torch.Tensor:
        x = F.conv2d(x, p[f"{name}/conv/filters"].permute(3, 2, 0, 1), p[f"{name}/conv/bias"], stride, pad)
        gain, shift = p[f"{name}/scale/weights"], p[f"{name}/scale/biases"]
        return x * gain[None, :, None, None] + shift[None, :, None, None]

    x = F.max_pool2d(conv_scale(torch.tensor(image), "conv32_down", 2, 0).relu(), 3, 2)
    for name in dict.fromkeys(key.split("/")[0] for key in p if "/conv1/" in key):
        down = "down" in name
        inner = conv_scale(x, f"{name}/conv1", 2 if down else 1, 0 if down else 1).relu()
        inner = conv_scale(inner, f"{name}/conv2", 1, 1)
        skip = F.avg_pool2d(x, 2) if down else x
        rows = skip.shape[2] - inner.shape[2]
        x = (F.pad(inner, (0, rows, 0, rows)) + F.pad(skip, (0, 0, 0, 0, 0, inner.shape[1] - skip.shape[1]))).relu()
    return {"template": (x.mean((2, 3)) @ p["fc"]).numpy()}


def expression(tensors: Mapping[str, Stored], image: NDArray[np.float32]) -> Arrays:
    """face-api's expression CNN from the dequantised tensors."""
    p = {name: torch.tensor(stored.values()) for name, stored in tensors.items()}

    def layer(x: torch.Tensor, name: str, stride: int) -> torch.Tensor:
        x = _same_padded(x, 3, stride)
        if f"{name}/filters" in p:
            return F.conv2d(x, p[f"{name}/filters"].permute(3, 2, 0, 1), p[f"{name}/bias"], stride)
        depthwise = p[f"{name}/depthwise_filter"].permute(2, 3, 0, 1)
        x = F.conv2d(x, depthwise, None, stride, groups=len(depthwise))
        return F.conv2d(x, p[f"{name}/pointwise_filter"].permute(3, 2, 0, 1), p[f"{name}/bias"])

    x = torch.tensor(image)
    for block in ("dense0", "dense1", "dense2", "dense3"):
        total = layer(x, f"{block}/conv0", 2).relu()
        summed = total
        for index in (1, 2, 3):
            total = total + layer(summed, f"{block}/conv{index}", 1)
            summed = total.relu()
        x = summed
    return {"probs": (x.mean((2, 3)) @ p["fc/weights"] + p["fc/bias"]).softmax(1).numpy()}


def _same_padded(x: torch.Tensor, kernel: int, stride: int, value: float = 0.0) -> torch.Tensor:
    total = max((-(-x.shape[2] // stride) - 1) * stride + kernel - x.shape[2], 0)
    side = (total // 2, total - total // 2)
    return F.pad(x, (*side, *side), value=value)


def tfjs(model: TfjsModel, image: NDArray[np.float32], outputs: Mapping[str, str]) -> Arrays:
    """Walks the tfjs graph node by node; `outputs` maps a node to the name its result gets."""
    values: dict[str, torch.Tensor] = {name: torch.tensor(array) for name, array in model.constants.items()}
    for node in model.nodes:
        inputs = [values[name] for name in node.get("input", [])]
        values[node["name"]] = torch.tensor(image) if not inputs else _tfjs_node(node, inputs)
    return {target: values[source].numpy() for source, target in outputs.items()}


def _tfjs_node(node: Mapping[str, Any], inputs: list[torch.Tensor]) -> torch.Tensor:
    x, rest = inputs[0], inputs[1:]
    match node["op"]:
        case "_FusedConv2D" | "DepthwiseConv2dNative":
            return _tfjs_conv(node, x, rest)
        case "MaxPool":
            kernel, stride = attribute(node, "ksize")[1], attribute(node, "strides")[1]
            padded = x if attribute(node, "padding") == "VALID" else _same_padded(x, kernel, stride, -torch.inf)
            return F.max_pool2d(padded, kernel, stride)
        case "Pad":
            return F.pad(x, (0, 0, 0, 0, 0, int(rest[0][3, 1])))
        case "Reshape":
            return x.permute(0, 2, 3, 1).reshape([len(x), *(int(i) for i in rest[0][1:])])
        case "AddV2":
            return x + rest[0]
        case "Prelu":
            return F.prelu(x, rest[0].flatten())
        case "Mean":
            return x.mean((2, 3))
        case "Identity":
            return x
    return {"Relu": torch.relu, "Sigmoid": torch.sigmoid, "Softmax": lambda t: t.softmax(-1)}[node["op"]](x)


def _tfjs_conv(node: Mapping[str, Any], x: torch.Tensor, rest: list[torch.Tensor]) -> torch.Tensor:
    kernel, *others = rest
    stride, depthwise = attribute(node, "strides")[1], node["op"] == "DepthwiseConv2dNative"
    x = x if attribute(node, "padding") == "VALID" else _same_padded(x, kernel.shape[0], stride)
    weight = kernel.permute(2, 3, 0, 1) if depthwise else kernel.permute(3, 2, 0, 1)
    x = F.conv2d(x, weight, others[0] if others else None, stride, groups=len(weight) if depthwise else 1)
    fused = attribute(node, "fused_ops")
    if "Prelu" in fused:
        return F.prelu(x, others[1].flatten())
    return x.relu() if "Relu" in fused else x
