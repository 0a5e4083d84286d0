"""Tests of the sandboxed authorization servers."""
