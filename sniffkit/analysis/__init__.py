"""What happened: columns go in batch by batch, facts (ids and numbers, never sentences) come out."""
