"""Faces to persons: who appears where, how their posts perform, and which media are copies of each other."""
