"""HTML from parts: every plain text is escaped, and only what is `Markup` already is not."""

from __future__ import annotations

import html
from collections.abc import Sequence

WITHOUT_CONTENT = {"br", "img", "meta"}


class Markup(str):
    """Text that is HTML."""

    __slots__ = ()


def escape(content: str) -> Markup:
    """The text as HTML; markup stays as it is."""
    return content if isinstance(content, Markup) else Markup(html.escape(content))


def element(name: str, *content: str, **attributes: str) -> Markup:
    """One element; `class_` stands for `class`."""
    words = [f'{key.rstrip("_")}="{html.escape(value)}"' for key, value in attributes.items()]
    start = f"<{' '.join([name, *words])}>"
    if name in WITHOUT_CONTENT:
        return Markup(start)
    return Markup(f"{start}{joined(content)}</{name}>\n")


def joined(content: Sequence[str]) -> Markup:
    """The parts one after the other."""
    return Markup("".join(escape(part) for part in content))


def paragraphs(*texts: str) -> Markup:
    """Each text as a paragraph."""
    return joined([element("p", text) for text in texts])


def items(texts: Sequence[str], name: str = "ul") -> Markup:
    """Each text as an item of a list."""
    return element(name, *(element("li", text) for text in texts))


def table(head: Sequence[str], rows: Sequence[Sequence[str]], class_: str = "") -> Markup:
    """A table with one line of heads, repeated on every page; the first cell names the row."""
    heads = element("tr", *(element("th", cell) for cell in head))
    body = [element("tr", *(element("td", cell) for cell in row)) for row in rows]
    return element("table", element("thead", heads), element("tbody", *body), class_=class_)


def facts(rows: Sequence[tuple[str, str]]) -> Markup:
    """A table of names and values."""
    lines = [element("tr", element("th", name), element("td", value)) for name, value in rows]
    return element("table", element("tbody", *lines), class_="facts")
