"""What an explorer costs: its weight, its drawing, and how fast it answers."""
