"""Tests of the sync shell: a real database, a real HTTP server, nothing patched."""
