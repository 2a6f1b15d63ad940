"""Bundle: the built page inside the package, if it is there."""

from __future__ import annotations

from pathlib import Path

STAMP = "bundle.txt"


def bundle_folder() -> Path | None:
    """The folder to serve, with ``index.html`` and ``assets/``; None when the page was left out of the build."""
    folder = Path(__file__).parent / "static"
    return folder if (folder / "index.html").is_file() else None


def bundle_hash() -> str:
    """Of the sources the page was built from; empty when there is no page or nobody knows."""
    folder = bundle_folder()
    stamp = folder / STAMP if folder else None
    return stamp.read_text().strip() if stamp and stamp.is_file() else ""
