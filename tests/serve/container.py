"""A process as the image would start it, without Docker: its own root that is read-only, its user, no capabilities."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from .image import ROOT

USER = 10001
TOOLS = ("unshare", "nsenter", "chroot", "setpriv", "mount")
SYSTEM = ("usr", "etc", "bin", "sbin", "lib", "lib64")  # read-only, as they are
AS_USER = (
    "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs", "--bounding-set=-all",
    "--inh-caps=-all",
)  # fmt: skip
# $1: an empty folder for the root, $2: the folder behind /data, then `--bind`s, `--`, and the command.
BUILD = """
set -e
root=$1; data=$2; shift 2
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$root"
mkdir "$root/tmp"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"  # before what may lie in it
bind() { mkdir -p "$root$1"; mount --bind "$1" "$root$1"; mount -o remount,bind,ro "$root$1"; }
while [ "$1" != -- ]; do
  if [ -L "$1" ]; then ln -s "$(readlink "$1")" "$root$1"; else bind "$1"; fi
  shift
done
shift
mkdir -p "$root/data" "$root/models" "$root/proc" "$root/dev" "$root/opt"
ln -s "$PREFIX" "$root/opt/postlens"
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind "$data" "$root/data"
mount -o remount,ro "$root"
exec chroot "$root" "$@"
"""


class Container:
    """A started process and its world."""

    def __init__(self, process: subprocess.Popen[str], *, env: Mapping[str, str], data: Path) -> None:
        """`data`: the folder behind /data."""
        self.process, self.env, self.data = process, dict(env), data

    def execute(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command beside it, as `docker exec` does."""
        inside = ["nsenter", f"--target={self.process.pid}", "--mount", "--root", "--wd", *AS_USER]
        return subprocess.run([*inside, *words], env=self.env, capture_output=True, text=True, check=False, timeout=60)


@contextmanager
def started(words: Sequence[str], *, env: Mapping[str, str], folder: Path) -> Iterator[Container]:
    """The process, killed at the end; skips where such a world cannot be made. `folder` holds what it writes."""
    data, errors = _data(folder), folder / "stderr"
    with errors.open("w") as told:
        process = subprocess.Popen(
            _command(words, folder, data), env={**env, "PREFIX": sys.prefix}, stderr=told, text=True
        )
    try:
        yield Container(process, env=env, data=data)
    finally:
        process.kill()
        process.wait()


def expect_allowed(folder: Path, env: Mapping[str, str]) -> None:
    """Skip, and say why, unless this user may build such a world and the package can be read in it."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"starting as in a container needs root and the tools of util-linux; missing: {missing or 'root'}")
    trial = _command(["python", "-c", "import postlens"], folder, _data(folder))
    done = subprocess.run(trial, env={**env, "PREFIX": sys.prefix}, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no such world can be made here: {done.stderr.strip()[-300:]}")


def _data(folder: Path) -> Path:
    """The folder behind the volume /data."""
    data = folder / "data"
    data.mkdir(mode=0o700, exist_ok=True)
    os.chown(data, USER, USER)
    return data


def _command(words: Sequence[str], folder: Path, data: Path) -> list[str]:
    root = folder / "root"
    root.mkdir(exist_ok=True)
    system = [f"/{name}" for name in SYSTEM if Path(f"/{name}").exists()]
    # Only what the image would hold: Python, and the code.
    binds = [*system, *(place for place in (sys.base_prefix, sys.prefix, str(ROOT / "src")) if not _within(place))]
    return ["unshare", "--mount", "sh", "-c", BUILD, "sh", str(root), str(data), *binds, "--", *AS_USER, *words]


def _within(place: str) -> bool:
    return Path(place).parts[1] in SYSTEM
