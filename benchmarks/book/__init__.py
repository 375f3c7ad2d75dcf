"""The whole chapter page: what it weighs, and when its first slider answers."""
