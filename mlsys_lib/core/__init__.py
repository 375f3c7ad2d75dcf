"""What every topic leans on: checked parameters, units."""
