"""What is measured, a module a row."""
