"""Whole runs between a workspace and a Mailchimp audience."""
