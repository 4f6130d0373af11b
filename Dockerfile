# syntax=docker/dockerfile:1
# Stage 1 builds the virtual environment; stage 2 contains it without build tools.
FROM python:3.11-slim-bookworm AS build
WORKDIR /srv/sima
RUN python -m venv /opt/venv
COPY requirements.lock ./
RUN /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml setup.py MANIFEST.in README.md LICENSE ./
COPY migrations ./migrations
COPY models ./models
COPY app ./app
RUN /opt/venv/bin/pip install --no-cache-dir --no-deps . \
    && /opt/venv/bin/pip install --no-cache-dir "psycopg[binary]>=3.2" "pymilvus>=2.5" \
    && /opt/venv/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /srv/sima sima \
    && install -d -o sima -g sima /data \
    && pip uninstall --yes pip setuptools wheel || true
WORKDIR /srv/sima
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    SIMA_HOST=0.0.0.0 \
    SIMA_DATA_DIR=/data
USER sima
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=2)"]
ENTRYPOINT ["sima"]
CMD ["serve"]
