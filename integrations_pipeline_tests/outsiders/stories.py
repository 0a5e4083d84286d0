"""All stories, by the number of the fault that they play."""

from integrations_pipeline_tests.outsiders import (
    stories_airtable,
    stories_contacts,
    stories_deletes,
    stories_mail,
    stories_mailchimp,
)
from integrations_pipeline_tests.outsiders.play import Story

_MODULES = (stories_airtable, stories_contacts, stories_deletes, stories_mail, stories_mailchimp)
_TOLD: list[Story] = [told for module in _MODULES for told in module.STORIES]

STORIES = {told.number: told for told in sorted(_TOLD, key=lambda told: (told.number[0], int(told.number[1:])))}
