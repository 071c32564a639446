"""`python -m rightface` is `rightface`."""

from rightface.cli.main import main

main()
