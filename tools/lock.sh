#!/usr/bin/env bash
# Pins the dependencies with hashes and without index addresses: tools/lock.sh (about 20 s, network)
set -euo pipefail
cd "$(dirname "$0")/.."
compile() { .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate "$@"; }
compile pyproject.toml -o requirements/core.txt
echo "hatchling>=1.27
editables>=0.5" | compile - -o requirements/build.txt
compile --group dev --extra train --extra serve -c requirements/core.txt -c requirements/build.txt pyproject.toml -o requirements/dev.txt
for extra in serve postgres ray train; do
  compile --extra "$extra" -c requirements/core.txt pyproject.toml -o "requirements/$extra.txt"
done
compile --extra demo pyproject.toml -o requirements/demo.txt  # not with the pins of core: Gradio wants an older Pillow
