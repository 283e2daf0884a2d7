"""Everything is kept as it came, unless another part chose otherwise since this one started."""

from __future__ import annotations

from collections.abc import Callable

from workers.identities import PlainIdentities
from workers.instances import ReceivedInstance


class PlainChoice(PlainIdentities):
    """`settle` writes down for all parts that objects are kept as they come.

    It raises `MixedIdentitiesError` where that is not so any more. It is asked before the first
    object is kept and not when the part starts: a site that tries a server out may still choose.
    """

    def __init__(self, settle: Callable[[], None]) -> None:
        self._settle = settle
        self._is_settled = False

    def hide(self, received: ReceivedInstance) -> ReceivedInstance:
        """As it came."""
        if not self._is_settled:
            self._settle()
            self._is_settled = True
        return received
