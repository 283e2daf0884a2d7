# Three images from one file, chosen by --target:
#   service      the HTTP side; no runtime, no model is ever run in it
#   worker       contours on the CPU
#   worker-gpu   contours on NVIDIA GPUs
FROM python:3.11-slim-bookworm AS python
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

# Each build stage installs the dependencies from pyproject.toml alone, so that a change to the
# source downloads nothing; the wheel made here comes on top.
FROM python AS wheel
WORKDIR /src
COPY . .
RUN pip wheel --no-deps --wheel-dir /wheels .

FROM python AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
RUN python -m venv /opt/oarlock

FROM build AS build-service
RUN /opt/oarlock/bin/pip install .
COPY --from=wheel /wheels /wheels
RUN /opt/oarlock/bin/pip install --no-deps --force-reinstall /wheels/*.whl

FROM build AS build-worker
RUN /opt/oarlock/bin/pip install ".[cpu,seg]"
COPY --from=wheel /wheels /wheels
RUN /opt/oarlock/bin/pip install --no-deps --force-reinstall /wheels/*.whl

FROM build AS build-worker-gpu
RUN /opt/oarlock/bin/pip install ".[gpu,seg]"
COPY --from=wheel /wheels /wheels
RUN /opt/oarlock/bin/pip install --no-deps --force-reinstall /wheels/*.whl

# What runs: one user without rights, one folder it may write to.
FROM python AS runtime
RUN useradd --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin oarlock \
    && install --directory --owner=oarlock --group=oarlock --mode=0750 /data
ENV PATH=/opt/oarlock/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OARLOCK_DATA=/data \
    OARLOCK_HOST=0.0.0.0 \
    OARLOCK_PORT=8042
WORKDIR /data
VOLUME /data
USER 10001

# A worker is well while its process runs and it reaches the queue that wakes it.
FROM runtime AS runtime-worker
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, redis; redis.Redis.from_url(os.environ['OARLOCK_REDIS_URL'], socket_timeout=4).ping()"]
CMD ["oarlock", "worker"]

FROM runtime-worker AS worker
COPY --from=build-worker /opt/oarlock /opt/oarlock

FROM runtime-worker AS worker-gpu
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=build-worker-gpu /opt/oarlock /opt/oarlock

FROM runtime AS service
COPY --from=build-service /opt/oarlock /opt/oarlock
EXPOSE 8042
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8042/health/live', timeout=4)"]
CMD ["oarlock", "service"]
