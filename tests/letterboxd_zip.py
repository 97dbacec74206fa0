"""Letterboxd exports, made by hand."""

from __future__ import annotations

import io
import zipfile


def letterboxd(**members: str) -> bytes:
    """A zip of CSV files; ``__`` in a name separates folders."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "/") + ".csv", text)
    return stream.getvalue()
