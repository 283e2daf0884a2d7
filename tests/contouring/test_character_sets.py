"""Which letters fit into which character set."""

from __future__ import annotations

import pytest

from contouring.character_sets import Script, can_hold, choose_script, to_ascii


@pytest.mark.parametrize(
    ("terms", "text", "holds"),
    [
        ((), "Larynx", True),
        ((), "Kehlkopf – groß", False),
        (("ISO_IR 100",), "groß", True),
        (("ISO_IR 144",), "groß", False),
        (("ISO_IR 144",), "Гортань", True),
        (("ISO_IR 192",), "Гортань 喉", True),
        (("GB18030",), "喉", True),
        (("", "ISO 2022 IR 87"), "喉頭", True),
        (("", "ISO 2022 IR 87"), "groß", False),
        (("ISO_IR 999",), "groß", False),
    ],
)
def test_a_character_set_holds_what_comes_back_equal(
    terms: tuple[str, ...], text: str, holds: bool
) -> None:
    """What it does not hold would be written as question marks."""
    assert can_hold(terms, text) is holds


def test_unicode_is_chosen_only_if_it_is_needed_and_safe() -> None:
    """The CT's own character set is the one that its archive is known to read."""
    kept = choose_script(("ISO_IR 144",), True, "Larynx")
    anew = choose_script(("ISO_IR 144",), True, "groß")
    unsafe = choose_script(("ISO_IR 144",), False, "groß")

    assert kept == unsafe == Script(("ISO_IR 144",), True)
    assert anew == Script(("ISO_IR 192",), False)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("3 × 2 – 1 … “so” ‘it’s µ", '3 x 2 - 1 ... "so" ?it\'s u'),
        ("Drüse, façade, Łódź", "Druse, facade, ?odz"),
        ("5 cm³ 喉", "5 cm3 ?"),
    ],
)
def test_text_in_ascii_stays_readable(text: str, plain: str) -> None:
    """A warning is not worth another character set, nor a row of question marks."""
    assert to_ascii(text) == plain
