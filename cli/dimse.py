"""`oarlock dimse`: the DICOM node, alone."""

from __future__ import annotations

from cli.console import out
from cli.stop_signals import StopSignals
from workers.data_lock import sharing_data
from workers.logs import set_up_logs
from workers.private_files import keep_files_private
from workers.settings import Settings

DEFAULT_PORT = 11112  # registered for DICOM


def dimse() -> None:
    """Take objects by C-STORE for the server with the same OARLOCK_DATA and database.

    `oarlock serve` runs this by itself where OARLOCK_DIMSE_PORT is set.
    """
    # A library of its own; the other commands start faster without it.
    from service.access.safe_start import check_node_start
    from service.dimse.node import Node

    keep_files_private()
    settings = Settings()
    set_up_logs(settings.log_format)
    check_node_start(settings)
    stopping = StopSignals()
    port = settings.dimse_port or DEFAULT_PORT
    with sharing_data(settings.data):
        node = Node(settings, port)
        node.start()
        out.print(f"{settings.ae_title} is at {settings.dimse_host}:{port}", highlight=False)
        stopping.wait()
        node.stop()
