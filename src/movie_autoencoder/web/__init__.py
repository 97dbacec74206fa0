"""The page and the REST interface behind it: a small server on the reader's own machine. Needs the extra ``[web]``."""

from .app import create_app
from .server import serve

__all__ = ("create_app", "serve")
