"""`python -m cli` is `oarlock`."""

from cli import main

main()
