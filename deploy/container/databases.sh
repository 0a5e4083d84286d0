#!/bin/sh
# Run once by the container of Postgres, on an empty volume: two databases, each with an owner who is no superuser.
# Passwords are read by psql from its environment, so that they stand in no process list.
set -eu
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname "${POSTGRES_DB:-postgres}" <<'SQL'
\getenv contacts CONTACTS_PASSWORD
\getenv dagster DAGSTER_PASSWORD
create role integrations login createrole password :'contacts';
create database integrations owner integrations;
create role dagster login password :'dagster';
create database dagster owner dagster;
-- Each owner reaches its own database only.
revoke connect, temporary on database integrations, dagster from public;
SQL
