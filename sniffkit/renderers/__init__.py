"""How it looks: lessons drawn on a terminal, or written as JSON."""
