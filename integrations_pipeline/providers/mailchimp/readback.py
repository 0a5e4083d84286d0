"""What the list tells of members that a batch made and did not tell enough of. Belongs here: that reading. Does not:
what is made of it (`writer`)."""

from collections.abc import Set
from datetime import datetime, timedelta

from integrations_pipeline.providers.mailchimp.answers import Answers, email_key
from integrations_pipeline.providers.mailchimp.client import MailchimpClient
from integrations_pipeline.providers.mailchimp.members import Member, read_time

#: Clocks have whole seconds: a look at what a lost request made begins a little earlier.
LOOK_BACK = timedelta(seconds=10)


def made_since(client: MailchimpClient, before: datetime | None) -> dict[str, Member]:
    """Members by e-mail that are new or changed since a request whose answer was lost."""
    if before is None:
        return {}
    pages = client.pages(before - LOOK_BACK)
    return {email_key(each): each for members in pages for each in members}


def read_back(client: MailchimpClient, answers: Answers, tagged: Set[str]) -> None:
    """Complete the answers about new members by what the list tells of them: their lasting ids, and the tags of those
    who are to have some (`tagged`, by address), where a batch told none."""
    missing = {
        address
        for address, each in answers.new.items()
        if not each.get("contact_id") or (address in tagged and not isinstance(each.get("tags"), list))
    }
    times = [time for each in answers.new.values() if (time := read_time(each.get("last_changed")))]
    if len(missing) <= 1 or not times:
        return
    for members in client.pages(min(times) - timedelta(seconds=1)):
        found = {key: each for each in members if (key := email_key(each)) in missing}
        answers.new.update(found)
        answers.told |= found.keys()
        missing -= found.keys()
        if not missing:
            return
