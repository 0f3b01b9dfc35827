"""Fixtures that tests of several folders share."""

from tests.servers import blank_store, server

__all__ = ["blank_store", "server"]
