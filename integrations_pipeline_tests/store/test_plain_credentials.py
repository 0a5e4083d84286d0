"""Credentials that an adopted database holds in plain."""

from integrations_pipeline.store.database import Database
from integrations_pipeline.store.encryption import Cipher, generate_key_text, is_encrypted
from integrations_pipeline.store.tokens import encrypt_plain_credentials
from integrations_pipeline_tests.store.rows import add_tenant, execute, query


def test_those_in_plain_are_encrypted_once_and_counted(database: Database) -> None:
    cipher = Cipher.from_text(generate_key_text())
    with database.admin() as connection:
        add_tenant(connection, "acme")
        add_tenant(connection, "other")
        execute(connection, """update integration_connections set credentials = '{"api_key": "s3cret"}'""")
        assert encrypt_plain_credentials(connection, cipher) == 2
        assert encrypt_plain_credentials(connection, cipher) == 0
        rows = query(connection, "select id, credentials from integration_connections")

    assert all(is_encrypted(row.credentials) for row in rows)
    assert [cipher.decrypt(row.credentials, connection_id=row.id) for row in rows] == [{"api_key": "s3cret"}] * 2
