"""Whose request it is, for the records of what is done."""

from __future__ import annotations

from starlette.types import Scope

from workers.audit.actors import ANONYMOUS, Actor

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


def find_route(scope: Scope) -> str:
    """Method and pattern of a request's route: its address may name patients and studies."""
    method, route = scope["method"], getattr(scope.get("route"), "path", "unknown")
    return f"{method} {route}" if method in METHODS else f"unknown {route}"


def find_requester(scope: Scope) -> Actor:
    """The principal that a login has put into the request's state, and the client's address."""
    state = scope.get("state", {})
    client = scope.get("client")
    return Actor(
        person=getattr(state.get("principal"), "name", ANONYMOUS),
        address=client[0] if client else "",
        request_id=str(state.get("request_id", "")),
    )
