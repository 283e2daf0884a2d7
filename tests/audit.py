"""Is a known vulnerability in what the images install?

    python -m tests.audit [--osv-url URL]

Asks about every package of requirements/*.txt by pip-audit. A vulnerability fails. An advisory
service that cannot be reached, or that knows none of the packages, does not: a build without a way
out must go on, and its log then says that nothing was judged.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
LOCKS = tuple(sorted((REPOSITORY / "requirements").glob("*.txt")))
SECONDS = 300


@dataclass
class Findings:
    """What was judged, what was not, and what is vulnerable."""

    judged: set[str] = field(default_factory=set)
    unjudged: set[str] = field(default_factory=set)
    vulnerable: dict[str, list[str]] = field(default_factory=dict)

    def add(self, dependency: dict[str, Any]) -> None:
        """One entry of pip-audit's report."""
        name = f"{dependency['name']} {dependency.get('version', '')}".strip()
        if "skip_reason" in dependency:
            self.unjudged.add(dependency["name"])
            return
        self.judged.add(name)
        if dependency["vulns"]:
            self.vulnerable[name] = [
                f"{one['id']}, mended in {', '.join(one['fix_versions']) or 'no version yet'}"
                for one in dependency["vulns"]
            ]


def main(words: list[str] | None = None) -> int:
    """Ask, tell, and leave with 1 if something is vulnerable."""
    parser = argparse.ArgumentParser(description="Known vulnerabilities of what is installed.")
    parser.add_argument("--osv-url", help="an OSV service, in place of the package index's own")
    options = parser.parse_args(words)
    service = ["--vulnerability-service", "osv", "--osv-url", options.osv_url]
    findings, reason = ask(service if options.osv_url else [])
    _tell(findings, reason)
    return 1 if findings.vulnerable else 0


def ask(service: list[str]) -> tuple[Findings, str]:
    """What pip-audit found, and why it found nothing, if so."""
    findings = Findings()
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    command += ["--no-deps", "--disable-pip", "--timeout", "15", *service]
    for lock in LOCKS:
        command += ["--requirement", str(lock)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        report = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return findings, f"it did not answer within {SECONDS} s"
    except json.JSONDecodeError:
        return findings, (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    for dependency in report["dependencies"]:
        findings.add(dependency)
    return findings, "" if findings.judged else "it knows none of the packages"


def _tell(findings: Findings, reason: str) -> None:
    for name, advisories in sorted(findings.vulnerable.items()):
        _say(f"VULNERABLE {name}: {'; '.join(advisories)}")
    if findings.vulnerable:
        _say("Raise it in pyproject.toml if need be, then run `scripts/lock --upgrade`.")
    if reason:
        _say(f"NOT AUDITED: the advisory service could not be asked ({reason}).")
        _say("Run `python -m tests.audit` where it can be, or name a mirror with --osv-url.")
        return
    _say(f"{len(findings.judged)} packages of {len(LOCKS)} locks were judged.")
    if findings.unjudged:
        _say(f"NOT AUDITED: {', '.join(sorted(findings.unjudged))}.")


def _say(line: str) -> None:
    sys.stdout.write(f"audit: {line}\n")


if __name__ == "__main__":
    sys.exit(main())
