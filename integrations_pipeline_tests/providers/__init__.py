"""Tests of the HTTP client and of the providers, one conformance suite for all."""
