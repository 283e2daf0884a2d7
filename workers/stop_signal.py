"""SIGTERM gives a running job a while, and then stops the worker: imported before Celery.

Without it Celery waits for the job as long as that takes, and whoever stops the worker kills it.
"""

from __future__ import annotations

import os

os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")  # read by Celery when it is imported
