# Three images from one file, chosen by --target:
#   service      the HTTP side; no runtime, no model is ever run in it
#   worker       contours on the CPU
#   worker-gpu   contours on NVIDIA GPUs; with --build-arg GPU_LOCK=worker-gpu-tensorrt by TensorRT, too
#
# Everything from an index is compared with the hashes in requirements/ (scripts/lock).
FROM python:3.11-slim-bookworm AS python
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

FROM python AS wheel
WORKDIR /src
COPY requirements/build.txt requirements/
RUN pip install --require-hashes --no-deps -r requirements/build.txt
COPY . .
RUN pip wheel --no-index --no-build-isolation --no-deps --wheel-dir /wheels .

# The dependencies come first, so that a change to the source downloads nothing.
FROM python AS build
WORKDIR /src
RUN python -m venv /opt/oarlock

FROM build AS build-service
COPY requirements/service.txt requirements/
RUN /opt/oarlock/bin/pip install --require-hashes --no-deps -r requirements/service.txt
COPY --from=wheel /wheels /wheels
RUN /opt/oarlock/bin/pip install --no-index --no-deps /wheels/*.whl && /opt/oarlock/bin/pip check

FROM build AS build-worker
COPY requirements/worker.txt requirements/
RUN /opt/oarlock/bin/pip install --require-hashes --no-deps -r requirements/worker.txt
COPY --from=wheel /wheels /wheels
RUN /opt/oarlock/bin/pip install --no-index --no-deps /wheels/*.whl && /opt/oarlock/bin/pip check

FROM build AS build-worker-gpu
ARG GPU_LOCK=worker-gpu
COPY requirements/worker-gpu*.txt requirements/
RUN /opt/oarlock/bin/pip install --require-hashes --no-deps -r "requirements/$GPU_LOCK.txt"
COPY --from=wheel /wheels /wheels
RUN /opt/oarlock/bin/pip install --no-index --no-deps /wheels/*.whl && /opt/oarlock/bin/pip check

# What runs: one user without rights. It may write to /data, and a service and a DICOM node to /own,
# which no worker has.
FROM python AS runtime
RUN useradd --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin oarlock \
    && install --directory --owner=oarlock --group=oarlock --mode=0750 /data \
    && install --directory --owner=oarlock --group=oarlock --mode=0700 /own
ENV PATH=/opt/oarlock/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OARLOCK_DATA=/data \
    OARLOCK_HOST=0.0.0.0 \
    OARLOCK_PORT=8042
WORKDIR /data
VOLUME /data
USER 10001
# For uvicorn, too, which knows nothing of it: what is written is this user's alone.
ENTRYPOINT ["/bin/sh", "-c", "umask 077 && exec \"$@\"", "--"]

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
    CMD ["python", "-c", "import httpx, os; httpx.get(('https' if os.environ.get('OARLOCK_TLS_CERT') else 'http') + '://127.0.0.1:8042/health/live', timeout=4, verify=False, trust_env=False).raise_for_status()"]
CMD ["oarlock", "service"]
