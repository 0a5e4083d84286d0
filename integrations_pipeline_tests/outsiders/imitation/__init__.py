"""A second imitation of Airtable, Mailchimp and Gmail: plain state in attributes, strict about the published APIs."""

from integrations_pipeline_tests.outsiders.imitation.world import World

__all__ = ["World"]
