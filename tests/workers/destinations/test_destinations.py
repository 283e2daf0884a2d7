"""The administrator's file of destinations: what it may say, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from contouring.errors import InvalidConfigurationError, UnknownDestinationError
from tests.conftest import REPOSITORY
from workers.deliveries import JobEvent
from workers.destinations.cstore import CStoreReceiver
from workers.destinations.destinations import (
    Destinations,
    read_destinations,
    resolve_plan,
    templates_for,
)
from workers.destinations.folder import FolderReceiver
from workers.destinations.stow import StowReceiver
from workers.destinations.webhook import Webhook
from workers.jobs import PlannedDelivery

Write = Callable[[str], Path]
HEAD = "format: 1\ndestinations:\n"
STOW = "  - {name: pacs, kind: stow, url: 'https://pacs.example/dicom-web'}\n"
TPS = (
    "  - {name: tps, kind: cstore, host: tps.example, port: 104, called_ae: TPS, "
    "template: eclipse}\n"
)
HOOK = (
    "  - {name: hook, kind: webhook, url: 'https://hook.example/x', secret_env: S, "
    "events: [failed]}\n"
)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A file of destinations."""

    def write_file(content: str) -> Path:
        file = tmp_path / "destinations.yaml"
        file.write_text(content)
        return file

    return write_file


@pytest.fixture
def three(write: Write) -> Destinations:
    """An archive, a planning system with a template of its own, and a webhook."""
    return read_destinations(write(HEAD + STOW + TPS + HOOK))


def test_without_a_file_nothing_is_sent_anywhere() -> None:
    """As after the installation."""
    assert read_destinations(None).by_name == {}


def test_the_example_of_the_manual_can_be_used(write: Write) -> None:
    """It is copied as it stands."""
    page = (REPOSITORY / "docs" / "destinations.md").read_text()
    example = page.partition("```yaml\n")[2].partition("```")[0]

    found = read_destinations(write(example)).by_name

    kinds = {type(one.sender) for one in found.values()}
    assert kinds == {StowReceiver, CStoreReceiver, FolderReceiver, Webhook}


def test_every_key_is_in_the_manual(write: Write) -> None:
    """A setting that nobody reads about is not one."""
    from workers.destinations import destination_file

    page = (REPOSITORY / "docs" / "destinations.md").read_text()
    parts = [
        part
        for part in vars(destination_file).values()
        if isinstance(part, type) and issubclass(part, destination_file._Part)
    ]
    keys = {key for part in parts for key in part.model_fields}

    assert [key for key in sorted(keys) if f"`{key}`" not in page] == []


def test_every_kind_is_made_into_what_sends(three: Destinations) -> None:
    """With the defaults of the file."""
    tps = three.pick("tps")
    assert isinstance(tps.sender, CStoreReceiver)
    assert (tps.template, tps.sender.calling_ae, tps.at_once) == ("eclipse", "OARLOCK", 1)
    assert tps.place == "TPS at tps.example:104"
    assert three.pick("hook").events == (JobEvent.FAILED,)
    assert three.template_names == ("eclipse",)


def test_an_unknown_name_is_told_with_those_there_are(three: Destinations) -> None:
    """The administrator has renamed it, perhaps."""
    with pytest.raises(UnknownDestinationError, match=r"'archive'.*hook, pacs, tps"):
        three.pick("archive")


def test_a_destinations_own_template_outweighs_the_rules(three: Destinations) -> None:
    """And one that wants none in particular gets the job's first."""
    planned = [PlannedDelivery("pacs"), PlannedDelivery("tps", "monaco", is_held=True)]

    resolved = resolve_plan(planned, three, "generic")

    assert resolved == (
        PlannedDelivery("pacs", "generic"),
        PlannedDelivery("tps", "eclipse", is_held=True),
    )
    assert templates_for(planned, three) == ("eclipse",)
    assert templates_for(resolved, three) == ("generic", "eclipse")


def test_a_webhook_is_planned_to_be_told(three: Destinations) -> None:
    """It gets no structure set, whatever the rule says of templates; once is enough."""
    planned = [PlannedDelivery("hook", "eclipse"), PlannedDelivery("hook", is_held=True)]

    assert resolve_plan(planned, three, "generic") == (PlannedDelivery("hook", events=("failed",)),)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{name: a, kind: ftp}", "kind"),
        ("{name: a, kind: stow}", "url"),
        ("{name: a b, kind: folder, path: /out}", "line 3, destinations.0.name"),
        ("{name: a, kind: folder, path: out}", "line 3, destinations.0.path: it must begin at /"),
        ("{name: a, kind: folder, path: /out, colour: red}", "colour"),
        ("{name: a, kind: folder, path: /out, file_name: x.dcm}", "sop_instance_uid"),
        ("{name: a, kind: folder, path: /out, file_name: '../{sop_instance_uid}'}", "letters"),
        ("{name: a, kind: folder, path: /out, file_name: '{sop_instance_uid!r}'}", "in braces"),
        ("{name: a, kind: folder, path: /out, file_name: '{sop_instance_uid'}", "braces"),
        ("{name: a, kind: folder, path: /out, file_name: '{patient_name}'}", "in braces"),
        ("{name: a, kind: folder, path: /out, at_once: 0}", "at_once"),
        ("{name: a, kind: stow, url: 'ftp://x/'}", "must be like https"),
        ("{name: a, kind: stow, url: 'https://'}", "must be like https"),
        ("{name: a, kind: stow, url: 'https://user:pass@x/'}", "see auth"),
        ("{name: a, kind: stow, url: 'https://@x/'}", "see auth"),
        ("{name: a, kind: stow, url: 'https://x/?a=b'}", "leave out"),
        ("{name: a, kind: stow, url: 'https://x/#f'}", "leave out"),
        ("{name: a, kind: stow, url: 'https://x:99999/'}", "no address of a server"),
        ("{name: a, kind: stow, url: 'https://0x7f.1/'}", "neither a plain name"),
        ("{name: a, kind: stow, url: 'https://x y/'}", "plain ASCII"),
        ("{name: a, kind: stow, url: 'https://pács/'}", "plain ASCII"),
        ("{name: a, kind: stow, url: 'https://x\\y/'}", "plain ASCII"),
        ("{name: a, kind: stow, url: 'https://x/', auth: {kind: bearer, token: s}}", "token"),
        ("{name: a, kind: stow, url: 'https://x/', auth: {kind: bearer}}", "one of token_file"),
        ("{name: a, kind: stow, url: 'https://x/', tls: {key: /k}}", "key needs cert"),
        ("{name: a, kind: stow, url: 'https://x/', tls: {verify: false}}", "verify"),
        ("{name: a, kind: cstore, host: x, port: 0, called_ae: A}", "port"),
        ("{name: a, kind: cstore, host: '127.1', port: 104, called_ae: A}", "neither a plain name"),
        ("{name: a, kind: cstore, host: x, port: 104, called_ae: LONGER_THAN_SIXTEEN}", "called"),
        ("{name: a, kind: webhook, url: 'https://x/'}", "one of secret_file"),
        ("{name: a, kind: webhook, url: 'https://x/', secret_env: S, events: [ended]}", "events"),
        ("{name: a, kind: webhook, url: 'https://x/', secret_env: S, events: []}", "events"),
    ],
)
def test_a_fault_is_told_with_its_line(write: Write, line: str, fault: str) -> None:
    """Whoever wrote it can mend it without reading code."""
    with pytest.raises(InvalidConfigurationError) as error:
        read_destinations(write(f"{HEAD}  - {line}\n"))

    assert "line 3" in str(error.value)
    assert fault in str(error.value)


def test_a_name_that_two_have_is_a_fault_of_both(write: Write) -> None:
    """A rule that names it would mean either."""
    with pytest.raises(InvalidConfigurationError, match=r"(?s)line 3.*line 4.*2 destinations"):
        read_destinations(write(HEAD + STOW + STOW))


def test_networks_are_the_files_own(write: Write) -> None:
    """And hold for every destination."""
    networks = "format: 1\nallowed_networks: [10.1.0.0/16, 'fd00::/8']\ndestinations:\n"

    tps = read_destinations(write(networks + TPS), lambda _host, _port: ["10.1.2.3"]).pick("tps")

    assert isinstance(tps.sender, CStoreReceiver)
    assert len(tps.sender.guard.allowed_networks) == 2
    assert tps.sender.guard.find_address("tps.example", 104) == "10.1.2.3"
    with pytest.raises(InvalidConfigurationError, match="allowed_networks"):
        read_destinations(write("format: 1\nallowed_networks: [10.1.0.1/16]\ndestinations: []\n"))
