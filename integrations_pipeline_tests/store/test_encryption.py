"""Stored credentials: envelopes, keys and the key file."""

import base64
import json
import multiprocessing
import os
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from integrations_pipeline.errors import ConfigurationError, CredentialsError
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.encryption import (
    Cipher,
    generate_key_text,
    is_encrypted,
    load_or_create_key_file,
)
from integrations_pipeline.store.tokens import encrypt_plain_credentials, rotate_keys
from integrations_pipeline_tests.store.rows import add_connection, insert, query

CONNECTION = UUID(int=1)
OLD, NEW = bytes(range(32)), bytes(range(32, 64))
CREDENTIALS = {"api_key": "pat.secret-é", "nested": {"expires": None, "scopes": ["a", "b"]}}


def test_what_is_encrypted_decrypts_and_does_not_show() -> None:
    envelope = Cipher([NEW]).encrypt(CREDENTIALS, connection_id=CONNECTION)
    assert sorted(envelope) == ["ct", "kid", "nonce", "v"]
    assert "secret" not in str(envelope)
    assert b"secret" not in base64.b64decode(envelope["ct"])
    assert Cipher([NEW]).decrypt(envelope, connection_id=CONNECTION) == CREDENTIALS


def test_the_same_credentials_never_give_the_same_envelope() -> None:
    cipher = Cipher([NEW])
    envelopes = [cipher.encrypt(CREDENTIALS, connection_id=CONNECTION) for _ in range(50)]
    assert len({envelope["nonce"] for envelope in envelopes}) == 50
    assert len({envelope["ct"] for envelope in envelopes}) == 50


def test_an_older_key_still_decrypts_and_asks_for_rotation() -> None:
    old = Cipher([OLD]).encrypt(CREDENTIALS, connection_id=CONNECTION)
    both = Cipher([NEW, OLD])
    assert both.decrypt(old, connection_id=CONNECTION) == CREDENTIALS
    assert both.needs_rotation(old)
    rotated = both.encrypt(both.decrypt(old, connection_id=CONNECTION), connection_id=CONNECTION)
    assert not both.needs_rotation(rotated)
    assert Cipher([NEW]).decrypt(rotated, connection_id=CONNECTION) == CREDENTIALS


def test_a_missing_key_is_named_by_its_id() -> None:
    envelope = Cipher([OLD]).encrypt(CREDENTIALS, connection_id=CONNECTION)
    with pytest.raises(CredentialsError, match=f"key {envelope['kid']}"):
        Cipher([NEW]).decrypt(envelope, connection_id=CONNECTION)


def test_an_envelope_does_not_decrypt_for_another_connection() -> None:
    envelope = Cipher([NEW]).encrypt(CREDENTIALS, connection_id=CONNECTION)
    with pytest.raises(CredentialsError, match="another connection"):
        Cipher([NEW]).decrypt(envelope, connection_id=uuid4())


@pytest.mark.parametrize("part", ["nonce", "ct"])
@pytest.mark.parametrize("damage", ["flipped", "shortened", "garbage"])
def test_a_changed_envelope_does_not_decrypt(part: str, damage: str) -> None:
    envelope = Cipher([NEW]).encrypt(CREDENTIALS, connection_id=CONNECTION)
    data = base64.b64decode(envelope[part])
    damaged = {
        "flipped": base64.b64encode(bytes([data[0] ^ 1]) + data[1:]).decode(),
        "shortened": base64.b64encode(data[:5]).decode(),
        "garbage": "€ not base64",
    }[damage]
    with pytest.raises(CredentialsError, match="were changed"):
        Cipher([NEW]).decrypt({**envelope, part: damaged}, connection_id=CONNECTION)


def test_plain_credentials_of_the_original_are_told_from_envelopes() -> None:
    cipher = Cipher([NEW])
    assert not is_encrypted({"api_key": "pat"})
    assert not is_encrypted({})
    assert not is_encrypted({"access_token": "t", "refresh_token": "r", "dc": "us1", "v": 1})
    assert is_encrypted(cipher.encrypt({}, connection_id=CONNECTION))


@pytest.mark.parametrize(
    ("change", "opens"),
    [
        pytest.param({"note": "a further key"}, True, id="further key"),
        pytest.param({"api_key": "planted"}, True, id="a credential planted beside it"),
        pytest.param({"v": 2}, False, id="a later version"),
        pytest.param({"v": None}, False, id="no version"),
        pytest.param({"nonce": ...}, False, id="a part is missing"),
        pytest.param({"kid": ...}, False, id="its key is not named"),
        pytest.param({"nonce": {}}, False, id="a part of another type"),
    ],
)
def test_an_envelope_that_was_changed_is_never_taken_for_plain_credentials(change: dict[str, Any], opens: bool) -> None:
    cipher = Cipher([NEW])
    changed = {**cipher.encrypt(CREDENTIALS, connection_id=CONNECTION), **change}
    envelope = {name: value for name, value in changed.items() if value is not ...}
    assert is_encrypted(envelope)
    if opens:
        assert cipher.decrypt(envelope, connection_id=CONNECTION) == CREDENTIALS
        return
    with pytest.raises(CredentialsError, match="authorise it again"):
        cipher.decrypt(envelope, connection_id=CONNECTION)


def test_an_upgrade_encrypts_plain_credentials_and_leaves_odd_envelopes_as_they_are(database: Database) -> None:
    cipher = Cipher([NEW])
    odd = {**cipher.encrypt(CREDENTIALS, connection_id=CONNECTION), "note": "x"}
    with database.admin() as connection:
        for slug, value in (("odd", odd), ("later", {**odd, "v": 2}), ("plain", CREDENTIALS)):
            workspace_id = insert(connection, "workspaces", name=slug, slug=slug)
            add_connection(connection, workspace_id, "airtable", credentials=json.dumps(value))
        assert encrypt_plain_credentials(connection, cipher) == 1
        assert rotate_keys(connection, cipher).rotated == 0
        stored = query(connection, "select credentials from integration_connections where credentials ? 'note'")
    assert sorted((row[0] for row in stored), key=str) == sorted([odd, {**odd, "v": 2}], key=str)
    assert cipher.needs_rotation({"api_key": "pat"})
    with pytest.raises(CredentialsError, match="not encrypted"):
        cipher.decrypt({"api_key": "pat"}, connection_id=CONNECTION)


@pytest.mark.parametrize(
    "text",
    [
        base64.urlsafe_b64encode(b"\xfb" * 32).decode(),
        base64.b64encode(b"\xfb" * 32).decode(),
        base64.b64encode(b"\xfb" * 32).decode().rstrip("="),
        (b"\xfb" * 32).hex(),
        (b"\xfb" * 32).hex().upper(),
    ],
    ids=["urlsafe", "standard", "unpadded", "hex", "upper-hex"],
)
def test_every_spelling_of_a_key_is_the_same_key(text: str) -> None:
    envelope = Cipher([b"\xfb" * 32]).encrypt(CREDENTIALS, connection_id=CONNECTION)
    keys = Cipher.from_text(f"{generate_key_text()} , {text}")
    assert keys.decrypt(envelope, connection_id=CONNECTION) == CREDENTIALS


@pytest.mark.parametrize(
    "bad",
    ["", "hunter2-hunter2", "z" * 64, "x" * 44, "é" * 20],
    ids=["empty", "short", "hex", "long", "ascii"],
)
def test_a_bad_key_is_named_by_its_position_and_never_shown(bad: str) -> None:
    with pytest.raises(ConfigurationError, match="key 2 ") as caught:
        Cipher.from_text(f"{generate_key_text()},{bad}")
    assert not bad or bad not in str(caught.value)
    assert caught.value.__cause__ is None


def test_no_key_and_keys_of_a_wrong_length_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="no key"):
        Cipher([])
    with pytest.raises(ConfigurationError, match="key 2 is not 32 bytes"):
        Cipher([NEW, b"short"])


def test_a_cipher_does_not_show_its_keys() -> None:
    assert NEW.hex() not in repr(Cipher([NEW]))
    assert repr(NEW) not in repr(Cipher([NEW]))


def test_the_key_file_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "home" / "encryption.key"
    text = load_or_create_key_file(path)
    assert Cipher.from_text(text)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_create_key_file(path) == text
    assert os.listdir(path.parent) == ["encryption.key"]


def test_an_empty_key_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "encryption.key"
    path.touch()
    with pytest.raises(ConfigurationError, match="is empty"):
        load_or_create_key_file(path)
    assert path.read_text() == ""


def test_processes_that_make_the_key_file_at_once_agree_on_one_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        keys = pool.map(load_or_create_key_file, [tmp_path / "encryption.key"] * 40, chunksize=1)
        pool.close()
        pool.join()
    assert len(set(keys)) == 1
