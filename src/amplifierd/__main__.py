"""`python -m amplifierd`."""

from .cli import cli

cli(prog_name="amplifierd")
