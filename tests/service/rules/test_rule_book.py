"""The rules in force: changed without a restart, and never by a broken file."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from contouring.dicom_series import find_series
from contouring.errors import InvalidConfigurationError
from service.rules.rule_book import LOOK_SECONDS, RuleBook
from tests.phantoms import write_small_series
from tests.service.rules.subjects import KNOWN, SOURCE

HEAD = "format: 1\ndefault:\n"
NEW, OLD, BROKEN = f"{HEAD}  model: hn-oar\n", f"{HEAD}  model: thorax-oar\n", f"{HEAD}  modle: x\n"


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.while_pausing: Callable[[], object] = lambda: None

    def read(self) -> float:
        """As time.monotonic."""
        return self.now

    def pause(self, seconds: float) -> None:
        """As time.sleep; others may write meanwhile."""
        self.now += seconds
        self.while_pausing()

    def pass_a_look(self) -> None:
        """Until the file is looked at again."""
        self.now += LOOK_SECONDS


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A rule file that the server started with."""
    path = tmp_path / "rules.yaml"
    path.write_text(OLD)
    return path


@pytest.fixture
def book(file: Path, clock: Clock) -> RuleBook:
    return RuleBook(file, KNOWN, clock.read, clock.pause)


def model_of(book: RuleBook) -> str | None:
    """What the rules in force ask for."""
    order = book.rules.default.order
    assert order is not None
    return order.model


def test_a_changed_file_applies_without_a_restart(book: RuleBook, file: Path, clock: Clock) -> None:
    """Known by its content: times of files are not to be trusted on shares."""
    before = book.rules.checksum
    file.write_text(NEW)
    clock.pass_a_look()

    assert model_of(book) == "hn-oar"
    assert book.rules.checksum != before
    assert book.fault is None


def test_the_file_is_not_read_for_every_series(book: RuleBook, file: Path, clock: Clock) -> None:
    """At most once a second."""
    file.write_text(NEW)
    clock.now += LOOK_SECONDS / 2

    assert model_of(book) == "thorax-oar"


@pytest.mark.parametrize("content", [BROKEN, "format: [", ""])
def test_a_broken_file_leaves_the_last_good_rules_in_force(
    book: RuleBook, file: Path, clock: Clock, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Told once in the log, and for as long as it lasts by `fault`."""
    file.write_text(content)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            clock.pass_a_look()
            assert model_of(book) == "thorax-oar"

    assert book.fault is not None
    assert str(file) in book.fault
    assert len(caplog.records) == 1
    assert "The rules before it stay in force." in caplog.text


def test_a_file_that_was_mended_applies(book: RuleBook, file: Path, clock: Clock) -> None:
    """Also by going back to what it was."""
    file.write_text(BROKEN)
    clock.pass_a_look()
    assert book.fault is not None
    file.write_text(OLD)
    clock.pass_a_look()

    assert book.fault is None
    assert model_of(book) == "thorax-oar"


def test_a_file_that_is_gone_leaves_the_rules_in_force(
    book: RuleBook, file: Path, clock: Clock
) -> None:
    """Somebody moved it, or its share is away."""
    file.unlink()
    clock.pass_a_look()

    assert model_of(book) == "thorax-oar"
    assert "cannot be read" in str(book.fault)


def test_a_file_that_is_being_written_is_left_until_it_is_whole(
    book: RuleBook, file: Path, clock: Clock
) -> None:
    """Its beginning may be a valid rule file, and another one than was meant."""
    file.write_text("format: 1\n")
    clock.while_pausing = lambda: file.write_text(NEW)
    clock.pass_a_look()
    assert model_of(book) == "thorax-oar"

    clock.pass_a_look()
    assert model_of(book) == "hn-oar"


def test_a_server_does_not_start_with_a_broken_file(file: Path) -> None:
    """There are no good rules to keep."""
    file.write_text(BROKEN)

    with pytest.raises(InvalidConfigurationError, match=r"line 3, default\.modle: Extra inputs"):
        RuleBook(file, KNOWN)


def test_without_a_file_every_series_gets_the_defaults(tmp_path: Path) -> None:
    """And a usable series is decided on as it comes from the gate."""
    book = RuleBook(None, KNOWN)
    (series,) = find_series(write_small_series(tmp_path)).series

    decision = book.decide(series, SOURCE)

    assert [(order.rule, order.model, order.templates) for order in decision.jobs] == [
        ("default", None, ())
    ]
    assert (book.fault, book.rules.checksum) == (None, "")
