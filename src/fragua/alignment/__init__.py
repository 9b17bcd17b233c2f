"""What people prefer: their feedback, the rewards learned from it, and models that follow it."""
