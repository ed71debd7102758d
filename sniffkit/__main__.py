"""`python -m sniffkit` and the `sniffkit` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from sniffkit.commands import run

    run()


if __name__ == "__main__":
    main()
