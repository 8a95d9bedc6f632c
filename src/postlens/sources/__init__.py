"""Folders, tables and single files to posts. `open_source` picks the reader by looking at the path."""

from postlens.sources.protocol import Item, Source, SourceOptions
from postlens.sources.registry import SOURCES, open_source

__all__ = ["SOURCES", "Item", "Source", "SourceOptions", "open_source"]
