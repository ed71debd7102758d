"""TCP: the states of both ends, the phases of a conversation, its marks and its times."""
