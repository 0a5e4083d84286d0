"""What is told to people about what was done: pure, from rows of the store to values, words and pages."""
