"""What an attacker would try, as a program that anyone can run: `python -m integrations_pipeline_tests.hostile`."""
