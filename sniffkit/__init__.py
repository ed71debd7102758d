"""sniffkit: packets captured, decoded and explained."""
