"""Requests that a page of another site makes a browser send, with all that it knows.

A browser adds a password that it was given once to each request to the same place, whoever asks.
Which site asks it says in headers that no page can change (Fetch Metadata; RFC 6454 7).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers

from contouring.errors import CrossSiteError

READING = frozenset({"GET", "HEAD", "OPTIONS"})
OWN = ("same-origin", "none")  # none: a person typed it, or a program that is no browser


def refuse_cross_site(method: str, headers: Headers) -> None:
    """Raise `CrossSiteError`; following a link from elsewhere is no more than reading."""
    origin = headers.get("origin")
    site = headers.get("sec-fetch-site")
    if site is not None:
        is_link = method in READING and headers.get("sec-fetch-mode") == "navigate"
        if site not in OWN and not is_link:
            raise CrossSiteError(_shorten(origin or site))
    elif origin is not None and method not in READING and not _is_of(headers, origin):
        raise CrossSiteError(_shorten(origin))


def _is_of(headers: Headers, origin: str) -> bool:
    """What older browsers tell; `null` is the origin of a page without one."""
    try:
        asking = urlsplit(origin).netloc.lower()
    except ValueError:  # brackets without an address, say
        return False
    return asking == headers.get("host", "").lower() != ""


def _shorten(word: str) -> str:
    return "".join(sign for sign in word[:128] if sign.isascii() and sign.isprintable())
