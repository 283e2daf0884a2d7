"""CUDA for Python."""
