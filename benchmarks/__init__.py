"""Benchmarks against the usual way of doing the same work; `make bench`."""
