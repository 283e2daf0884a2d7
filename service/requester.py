"""Whose request it is, for the records of what is done."""

from __future__ import annotations

from starlette.types import Scope

from service.access.principal import Principal
from workers.audit.actors import ANONYMOUS, Actor

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


def find_route(scope: Scope) -> str:
    """Method and pattern of a request's route: its address may name patients and studies."""
    method, route = scope["method"], getattr(scope.get("route"), "path", "unknown")
    return f"{method} {route}" if method in METHODS else f"unknown {route}"


def find_requester(scope: Scope) -> Actor:
    """The principal that the door has put into the request's state, and the client's address."""
    principal: Principal | None = scope.get("state", {}).get("principal")
    client = scope.get("client")
    address = client[0] if client else ""
    if principal is None:
        return Actor(ANONYMOUS, address)
    proof = principal.kind if principal.key_id is None else f"{principal.kind} {principal.key_id}"
    return Actor(principal.name, address, proof)
