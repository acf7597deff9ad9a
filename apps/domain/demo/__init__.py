"""This package is the demo: an order example that lives, so that a newcomer's console has something to show from the first second on."""
