"""The one training loop, its data and targets."""
