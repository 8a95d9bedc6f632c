"""`python -m postlens VERB ...`: the same as `postlens VERB ...`."""

from postlens.cli import main

if __name__ == "__main__":
    main()
