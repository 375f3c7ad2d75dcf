"""What the communicator costs, side by side with what it could be measured against."""
