"""Bytes of images and videos to arrays: what a file is, its hash, its frames.

`probe` says what a file holds, `image` and `video` decode it, `hashing` identifies it, `fetch` downloads it. Importing
this package loads only `probe`; the decoders load their libraries when imported.
"""

from postlens.media.probe import IMAGE_SUFFIXES, VIDEO_SUFFIXES, display_name, kind_of, sniff

__all__ = ["IMAGE_SUFFIXES", "VIDEO_SUFFIXES", "display_name", "kind_of", "sniff"]
