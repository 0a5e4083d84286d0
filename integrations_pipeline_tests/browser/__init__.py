"""The Dagster UI as a person uses it: real processes, a real browser, nothing from the internet."""
