"""A worker's consumer: a message that publishers never send is thrown away, whatever it is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer

from workers.queue import CONTENT_TYPE

log = logging.getLogger(__name__)

# What Celery's own reading of a malformed message raises. They would end the worker, and the next
# one, too: a message that was not answered comes back.
MALFORMED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class GatedConsumer(Consumer):  # type: ignore[misc]
    """Looks at a message before Celery does; the database knows the job that it may have meant."""

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], None]:
        """What is called with every message."""
        handle = super().create_task_handler(*args, **options)

        def handle_message(message: Any) -> None:
            # Also of the kinds that kombu hands on unread, whatever is accepted.
            if message.content_type != CONTENT_TYPE:
                self._discard(message, "it is not JSON")
                return
            try:
                handle(message)
            except MALFORMED as error:
                self._discard(message, f"{type(error).__name__} while it was read")

        return handle_message

    def _discard(self, message: Any, reason: str) -> None:
        log.error("a message in the queue that Oarlock did not send is thrown away: %s", reason)
        message.reject_log_error(log, self.connection_errors)
