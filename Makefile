# Daily commands. Each calls the script or module that does the work, so none needs make.
.PHONY: help setup demo test serve check format bench openapi

help:
	@echo "make demo     contour a phantom through the whole server; results in demo/"
	@echo "make serve    run the server on this machine until Ctrl-C"
	@echo "make test     run the whole test suite"
	@echo "make check    lint, types, import contracts, openapi.yaml up to date"
	@echo "make format   let ruff format the code and mend what it can"
	@echo "make openapi  write openapi.yaml anew from the app"
	@echo "make bench    time the pipeline, stage by stage, beside the usual way"

setup:
	@./scripts/setup

demo:
	@./scripts/demo

test:
	@./scripts/test

serve: setup
	@.venv/bin/oarlock serve

check:
	@./scripts/setup test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python -m service.openapi --check

format:
	@./scripts/setup test
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

openapi:
	@./scripts/setup test
	.venv/bin/python -m service.openapi

# The usual way, which the benchmark compares against, needs PyTorch and MONAI.
bench:
	@./scripts/setup test training
	.venv/bin/python -m benchmarks.pipeline
