"""A process that is told to stop stops, at whatever moment that was."""

from __future__ import annotations

import subprocess
import sys

TOLD_BEFORE_AND_WHILE_IT_WAITS = """
import os, random, signal, threading, time
from cli.stop_signals import StopSignals

signals = StopSignals()
os.kill(os.getpid(), signal.SIGTERM)
signals.wait()
for _ in range(2000):
    pause = random.uniform(0, 2e-4)
    def tell():
        time.sleep(pause)
        os.kill(os.getpid(), random.choice([signal.SIGTERM, signal.SIGINT]))
    thread = threading.Thread(target=tell)
    thread.start()
    signals.wait()
    thread.join()
print("stopped")
"""


def test_no_signal_is_missed_whenever_it_comes() -> None:
    """Before the wait, while it begins, and during it: who waits on is killed at last."""
    done = subprocess.run(
        [sys.executable, "-c", TOLD_BEFORE_AND_WHILE_IT_WAITS],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "stopped\n"), done.stderr
