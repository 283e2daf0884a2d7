# Daily commands. Each calls the script or module that does the work, so none needs make.
.PHONY: help setup demo test chaos serve check format coverage mutation bench bench-geometry bench-ingest \
	bench-sizing networks openapi lock sbom offline corpus fuzz fuzz-api slow-clients

help:
	@echo "make demo     contour a phantom through the whole server; results in demo/"
	@echo "make serve    run the server on this machine until Ctrl-C"
	@echo "make test     run the whole test suite"
	@echo "make chaos    kill, freeze and fill whole servers for an hour; writes docs/reliability.md"
	@echo "make check    lint, types, import contracts, openapi.yaml and written pages up to date,"
	@echo "              bandit, and known vulnerabilities of what the images install"
	@echo "make lock     write requirements/ anew: what the images install, with hashes"
	@echo "make sbom     write a CycloneDX bill of materials of each image; in sbom/"
	@echo "make offline  bundle everything, install it without a network, and contour a phantom"
	@echo "make corpus   send every odd and hostile file to a server, each way in"
	@echo "make fuzz     fuzz what reads strangers' bytes, an hour each; SECONDS=60 for a minute"
	@echo "make fuzz-api  ask a server for all of openapi.yaml as every role; CASES=20000"
	@echo "make slow-clients  hold 500 half-open connections against a server, and time others"
	@echo "make format   let ruff format the code and mend what it can"
	@echo "make openapi  write openapi.yaml anew from the app"
	@echo "make coverage which branches of contouring/ no test takes"
	@echo "make mutation do the unit tests notice when the geometry is spoilt?"
	@echo "make bench    time everything beside its peers for an hour; writes docs/performance.md"
	@echo "make networks write the tables of docs/networks.md anew"
	@echo "make bench-geometry  hold contours against the truth, beside rt-utils'"
	@echo "make bench-ingest    time what comes in by STOW-RS and C-STORE, beside Orthanc"
	@echo "make bench-sizing    count the jobs per hour of pinned workers; writes docs/sizing.md"

setup:
	@./scripts/setup

demo:
	@./scripts/demo

test:
	@./scripts/test

# The test suite runs a little of each trial. As root: it mounts a small disk and fails its calls.
chaos:
	@./scripts/setup test
	.venv/bin/python -m tests.chaos

corpus:
	@./scripts/setup test
	.venv/bin/python -m pytest tests/hostile/test_corpus.py

SECONDS ?= 3600
fuzz:
	@./scripts/setup test fuzz
	.venv/bin/python -m tests.fuzz $(SECONDS)

CASES ?= 20000
fuzz-api:
	@./scripts/setup test
	.venv/bin/python -m tests.api $(CASES)

slow-clients:
	@./scripts/setup test
	.venv/bin/python -m tests.hostile.slow_clients

serve: setup
	@.venv/bin/oarlock serve

check:
	@./scripts/setup test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python -m service.openapi --check
	.venv/bin/python -m service.conformance --check
	.venv/bin/python -m service.access --check
	.venv/bin/python -m workers.audit --check
	.venv/bin/bandit --quiet --configfile pyproject.toml --recursive cli contouring models service workers
	.venv/bin/python -m tests.audit

lock:
	@./scripts/lock

# As root, for some minutes; the test suite does the same with a bundle of two small wheels.
offline:
	@./scripts/try-offline

sbom:
	@./scripts/setup test
	@./scripts/sbom

format:
	@./scripts/setup test
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

openapi:
	@./scripts/setup test
	.venv/bin/python -m service.openapi

# By the package's own tests: what only a whole server reaches is not tested, but passed through.
coverage:
	@./scripts/setup test
	.venv/bin/python -m pytest -q tests/contouring --cov

# Unit tests alone, tens of minutes on two cores; the survivors: cd .mutation && mutmut browse
mutation:
	@./scripts/setup test
	.venv/bin/python -m tests.mutation

bench-geometry:
	@./scripts/setup test
	.venv/bin/python -m benchmarks.geometry

# Beside Orthanc on the same machine; a quiet one, or the ratio is all that counts.
bench-ingest:
	@./scripts/setup test
	.venv/bin/python -m benchmarks.ingest

# Pinned workers on a quiet machine for some minutes, then the queue's simulation.
bench-sizing:
	@./scripts/setup test training
	.venv/bin/python -m benchmarks.jobs_per_hour
	.venv/bin/python -m benchmarks.queueing --page

# From the runs in benchmarks/trained/, the recipes and the networks' own sizes.
networks:
	@./scripts/setup test training
	.venv/bin/python -m benchmarks.networks

# Beside the usual way, which needs PyTorch and MONAI, for most of an hour; writes docs/performance.md.
bench:
	@./scripts/setup test training bench
	.venv/bin/python -m benchmarks.performance
