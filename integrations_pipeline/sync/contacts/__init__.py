"""The contacts' job of a run: extract, plan, load, acknowledge, checkpoint."""
