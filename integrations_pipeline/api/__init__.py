"""The Python API: the door (`connect`), the original's base class, and the ready-made classes.

Belongs here: what callers in Python see (docs/python.md), in Python's own values. Does not: how syncs work; everything
here runs what the command line and Dagster run. Take the names from `integrations_pipeline` itself.
"""
