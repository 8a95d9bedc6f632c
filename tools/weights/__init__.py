"""Readers of the pinned packages and writers of the shipped ONNX files; used by tools/build_weights.py only."""
