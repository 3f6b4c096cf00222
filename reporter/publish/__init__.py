"""Say it there: a finished report → GitHub; the only room with a token."""
