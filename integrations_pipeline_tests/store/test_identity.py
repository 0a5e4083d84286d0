"""One e-mail, however it is spelled: the database and the program agree which spellings are the same."""

import pytest
from sqlalchemy import text

from integrations_pipeline.store.contacts import identity_key
from integrations_pipeline.store.database import Database

SPELLINGS = (
    "ann@example.org",
    " Ann@Example.ORG ",
    "ÄNNE@example.org",
    "A\u0308nne@example.org",
    "STRASSE@example.org",
)


@pytest.mark.parametrize("email", SPELLINGS)
def test_the_program_and_the_database_take_the_same_spellings_for_one_e_mail(database: Database, email: str) -> None:
    with database.admin() as connection:
        told = connection.execute(text("select integrations_identity_key(:email)"), {"email": email}).scalar()
    assert identity_key(email) == told


def test_case_and_outer_blanks_and_forms_of_letters_make_no_other_e_mail() -> None:
    assert [identity_key(email) for email in SPELLINGS] == [
        "ann@example.org",
        "ann@example.org",
        "änne@example.org",
        "änne@example.org",
        "strasse@example.org",
    ]
