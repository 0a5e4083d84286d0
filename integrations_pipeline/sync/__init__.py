"""The imperative shell, one file per stage, in the order they run: extract, (plan), load, run."""
