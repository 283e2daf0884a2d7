"""Do the unit tests notice when the geometry is spoilt?

    python -m tests.mutation [--processes N] [FILE ...]

mutmut changes one thing at a time in the files that `[tool.mutmut]` in pyproject.toml names, and
runs the unit tests that reach it: a change that no test notices survives. It leaves decorated
functions alone, and most of a grid is properties; so it is given a copy of the tree in which

    @cached_property                    def normal(self) -> ...:
    def normal(self) -> ...:    reads       ...
        ...                             normal = cached_property(normal)

`cd .mutation && mutmut browse` shows the survivors afterwards.
"""

from __future__ import annotations

import argparse
import ast
import shutil
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
COPY = REPOSITORY / ".mutation"
UNUSED = ("models/released/", "docs/")  # large, and no unit test reads them
PROPERTIES = ("property", "cached_property")
LEAST_KILLED = 0.85
KILLED = ("killed", "timeout", "segfault")


def main() -> None:
    """Mutate, test, report; fails when too many mutants survive in any file."""
    parser = argparse.ArgumentParser(description="Mutation testing of the geometry.")
    parser.add_argument("files", nargs="*", help="of those that pyproject.toml names; or all")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    mutated = copy_tree()
    chosen = options.files or mutated
    if not set(chosen) <= set(mutated):
        parser.error(f"pyproject.toml names only {', '.join(mutated)}")
    patterns = [f"{module_of(file)}.*" for file in options.files]
    command = [Path(sys.executable).parent / "mutmut"]
    log = COPY / "mutmut.log"
    with log.open("wb") as output:
        run = subprocess.run(
            [*command, "run", "--max-children", str(options.processes), *patterns],
            cwd=COPY,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if run.returncode:
        sys.exit(f"mutmut failed; see {log}:\n{log.read_text(errors='replace')[-3000:]}")
    results = subprocess.run(
        [*command, "results", "--all", "true"], cwd=COPY, check=True, capture_output=True, text=True
    )
    scores = read_scores(results.stdout)
    lines, is_enough = report(scores, chosen)
    sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(not is_enough)


def module_of(file: str) -> str:
    """The dotted name of a source file."""
    return file.removesuffix(".py").replace("/", ".")


def copy_tree() -> list[str]:
    """A fresh copy of the working tree, its properties plain; the files to be mutated."""
    shutil.rmtree(COPY, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        source = REPOSITORY / name
        if source.is_file() and not name.startswith(UNUSED):
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, COPY / name)
    project = tomllib.loads((COPY / "pyproject.toml").read_text())
    mutated: list[str] = project["tool"]["mutmut"]["only_mutate"]
    for name in mutated:
        file = COPY / name
        file.write_text(with_plain_properties(file.read_text()))
    return mutated


def with_plain_properties(source: str) -> str:
    """The same module, with its properties decorated by a statement of their own."""
    lines = source.splitlines()
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    for function in sorted(functions, key=lambda node: node.lineno, reverse=True):
        match function.decorator_list:
            case [ast.Name(id=decorator) as node] if (
                decorator in PROPERTIES and function.end_lineno
            ):
                indent = " " * function.col_offset
                wrapped = f"{indent}{function.name} = {decorator}({function.name})"
                lines.insert(function.end_lineno, wrapped)
                del lines[node.lineno - 1]
    return "\n".join(lines) + "\n"


def read_scores(results: str) -> dict[str, Counter[str]]:
    """How many mutants met which fate, by module."""
    scores: dict[str, Counter[str]] = defaultdict(Counter)
    for line in results.splitlines():
        mutant, _, fate = line.strip().rpartition(": ")
        module = mutant.rpartition(".")[0]
        if module:
            scores[module][fate] += 1
    return scores


def report(scores: dict[str, Counter[str]], mutated: list[str]) -> tuple[list[str], bool]:
    """A line for each file, and whether each has enough killed."""
    lines, is_enough = [], True
    for name in mutated:
        fates = scores.get(module_of(name), Counter())
        total = fates.total()
        killed = sum(fates[fate] for fate in KILLED)
        share = killed / total if total else 1.0
        is_enough &= share >= LEAST_KILLED
        others = ", ".join(f"{n} {fate}" for fate, n in sorted(fates.items()) if fate not in KILLED)
        lines.append(f"{name}: {killed} of {total} killed ({share:.0%}); {others or 'none left'}")
    return lines, is_enough


if __name__ == "__main__":
    main()
