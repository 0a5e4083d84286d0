"""Tests of the pure engine: truth tables first, properties last."""
