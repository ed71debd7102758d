"""What it means, in words: facts and the text catalogue become lessons in the reader's language."""
