"""docs/access.md: its tables of who may do what, from those that the server works by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from service.access.declarations import list_routes
from service.access.roles import MAY, OPEN, Permission, Role
from service.app import create_app
from workers.settings import Settings


def fill_page(page: str) -> str:
    """The page with its tables written anew, between the comments that name them."""
    for name, table in (("roles", _build_roles()), ("routes", _build_routes())):
        before, start, rest = page.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- end of {name} -->\n")
        if not start or not end:
            raise ValueError(f"the page has no place for its {name}")
        page = before + start + table + end + after
    return page


def _build_roles() -> str:
    rows = [
        (permission.value, *(_tell(permission in MAY[role]) for role in Role))
        for permission in Permission
        if permission is not OPEN
    ]
    return _build_table(("may", *(role.value for role in Role)), rows)


def _build_routes() -> str:
    found = list_routes(create_app(Settings()).routes)
    rows = [
        (
            f"`{method} {path}`",
            _tell(permission is OPEN),
            *(_tell(permission in MAY[role]) for role in Role),
        )
        for path, methods, permission in sorted(found, key=lambda one: (one[0], min(one[1])))
        for method in sorted(methods)
    ]
    return _build_table(("route", "anybody", *(role.value for role in Role)), rows)


def _build_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---", *([":-:"] * (len(heads) - 1))], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _tell(may: bool) -> str:
    return "yes" if may else ""
