"""Our own Pub/Sub for the laptop: the official client, push and pull, on one SQLite file."""
