"""Tests of the sandboxed Mailchimp, driven over HTTP by mailchimp_marketing and httpx."""
