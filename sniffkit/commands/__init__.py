"""What can be typed: one file a command, each of them thin."""
