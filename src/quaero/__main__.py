"""``python -m quaero``."""

from quaero.cli.main import main

if __name__ == "__main__":
    main()
