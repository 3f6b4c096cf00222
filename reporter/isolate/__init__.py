"""Where to run it: a repository → two trees → two workers → their answers."""
