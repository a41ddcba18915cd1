"""`amplifierd`, and `python -m amplifierd`."""

import sys

from .server.signals import exit_while_starting, raise_on_termination


def main() -> None:
    """Run the command in the arguments; report failed reads and writes in a sentence."""
    if sys.argv[1:2] == ["serve"]:
        # Before the slow part: most of a start is imports.
        exit_while_starting()
    else:
        raise_on_termination()
    from .commands.output import discard_standard_output, open_closed_streams

    # Before anything opens a file.
    open_closed_streams()
    from .commands import cli

    try:
        cli(prog_name="amplifierd")
    except OSError as error:
        discard_standard_output()
        what = "The output can't be written" if error.filename is None else error.filename
        sys.stderr.write(f"Error: {what}: {error.strerror or error}.\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
