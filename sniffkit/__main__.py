"""`python -m sniffkit` and the `sniffkit` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    try:
        from sniffkit.commands import run

        run()
    except KeyboardInterrupt:  # while modules are still being loaded
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
