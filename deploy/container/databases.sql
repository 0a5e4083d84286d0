-- Run once by the container of Postgres, on an empty volume: a database for Dagster beside the contacts'.
create database integrations;
create database dagster;
