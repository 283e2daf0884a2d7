"""The model zoo: networks, training, export, runtimes, cards and released weights."""
