# The server in a container: docker build -t postlens . && docker run -p 8000:8000 -v postlens:/data postlens
# For a store in PostgreSQL see compose.yaml. The root file system may be read-only: only /data and /tmp are written.
# The build's base has the C++ compiler that pdqhash needs: it has no wheels for Linux.
ARG BUILD=python:3.11-bookworm
ARG RUN=python:3.11-slim-bookworm

FROM ${BUILD} AS build
WORKDIR /build
RUN python -m venv /opt/postlens
ENV PATH=/opt/postlens/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/core.txt requirements/serve.txt requirements/postgres.txt requirements/build.txt requirements/
RUN pip install --require-hashes -r requirements/core.txt -r requirements/serve.txt -r requirements/postgres.txt \
    && python -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src src
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
    && pip install --no-deps /wheel/*.whl

FROM ${RUN}
RUN groupadd --gid 10001 postlens \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin postlens \
    && install -d -o 10001 -g 10001 -m 0700 /data /models
COPY --from=build /opt/postlens /opt/postlens
ENV PATH=/opt/postlens/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    POSTLENS_SERVE_HOST=0.0.0.0 \
    POSTLENS_SERVE_PORT=8000 \
    POSTLENS_SERVE_STORE=/data/postlens.db \
    POSTLENS_SERVE_JOBS_FOLDER=/data/jobs
USER 10001:10001
WORKDIR /data
# /data: store and uploads of jobs; /models: runs of `postlens train`, named by settings such as POSTLENS_NICHE_MODEL.
VOLUME ["/data", "/models"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"POSTLENS_SERVE_PORT\"]}/health', timeout=4)"]
ENTRYPOINT ["postlens"]
CMD ["serve"]
