"""Every conversation of a capture as one record: what it carried, how it ended, what is worth looking at."""
