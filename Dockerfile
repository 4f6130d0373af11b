# syntax=docker/dockerfile:1
# Stage 1 builds the virtual environment; stage 2 contains it without build tools. The image runs with
# a read-only root filesystem: only /data and /tmp are written. docker-bake.hcl builds it for several
# architectures.
ARG PYTHON=python:3.11-slim-bookworm
FROM ${PYTHON} AS build
WORKDIR /srv/sima
RUN ["python", "-m", "venv", "/opt/venv"]
COPY requirements-build.lock requirements-image.lock ./
RUN /opt/venv/bin/pip install --no-cache-dir --require-hashes \
        -r requirements-build.lock -r requirements-image.lock
COPY pyproject.toml setup.py MANIFEST.in README.md LICENSE ./
COPY migrations ./migrations
COPY models ./models
COPY app ./app
RUN /opt/venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/venv/bin/pip uninstall --yes pip setuptools

FROM ${PYTHON}
RUN groupadd --system --gid 10001 sima \
    && useradd --system --uid 10001 --gid 10001 --home-dir /srv/sima --shell /usr/sbin/nologin sima \
    && install -d -m 0700 -o sima -g sima /data \
    && python -m pip uninstall --yes --quiet pip setuptools wheel
WORKDIR /srv/sima
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    SQLITE_TMPDIR=/data \
    SIMA_HOST=0.0.0.0 \
    SIMA_DATA_DIR=/data
# By number, so that Kubernetes can check that it is not root.
USER 10001:10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('SIMA_PORT', '8000') + '/health', timeout=2)"]
ENTRYPOINT ["sima"]
CMD ["serve"]
