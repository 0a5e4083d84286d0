"""Tests of the sandboxed Gmail, driven over HTTP by Google's own client and httpx."""
