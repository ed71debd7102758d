"""How fast sniffkit is beside its peers, measured in one run on one machine (``make bench``)."""

import os

# An installed sniffkit has its modules compiled; where this is set, each run would compile all of them anew (0.2 s).
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
