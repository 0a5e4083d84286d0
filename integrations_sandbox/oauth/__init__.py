"""The sandboxed authorization servers of Google, Airtable and Mailchimp."""
