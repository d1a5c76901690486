"""Bylaw: a reverse proxy that enforces law and policy on model traffic, and proves what it did."""

__version__ = "0.1.0"
