"""Tests of the sandbox, driven over HTTP by pyairtable and httpx."""
