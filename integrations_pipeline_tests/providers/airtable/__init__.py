"""Tests of the Airtable provider."""
