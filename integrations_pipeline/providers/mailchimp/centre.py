"""Where a token's account lives. Belongs here: that one request. Does not: what it is asked for (`providers.oauth`)."""

from collections.abc import Mapping
from typing import Any

import httpx

from integrations_pipeline.errors import RetryableError, WrongAnswerError
from integrations_pipeline.providers.bounds import ExceededError
from integrations_pipeline.providers.mailchimp.shapes import METADATA


def data_centre(http: httpx.Client, address: str, access_token: str) -> Mapping[str, Any]:
    """The data centre of a token's account: GET …/metadata."""
    try:
        answer = http.get(f"{address}/metadata", headers={"Authorization": f"OAuth {access_token}"})
        centre = answer.raise_for_status().json()
        if METADATA.fits(centre):
            return {"dc": centre["dc"]}
        raise WrongAnswerError("Mailchimp did not tell the account's data centre: run the command again")
    except ExceededError as error:
        raise WrongAnswerError(f"{error}: run the command again") from error
    except (httpx.HTTPError, ValueError) as error:
        raise RetryableError("Mailchimp did not tell the account's data centre: run the command again") from error
