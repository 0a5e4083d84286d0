"""Postgres: the only package that knows SQL.

Belongs here: connections to the database, row-level security, migrations, the tables and what is read from
and written to them, encryption of stored credentials. Does not: providers, the plan, when to do what.
"""
