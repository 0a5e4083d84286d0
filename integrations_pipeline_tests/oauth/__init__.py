"""The OAuth part against real authorization servers on loopback, a real Postgres and real processes."""
