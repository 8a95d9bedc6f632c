"""Labelled images to trained models: the only home of torch.

Importing this package loads nothing; `recipe`, `labels`, `splits` and `cache` need no torch, the rest loads it.
"""
