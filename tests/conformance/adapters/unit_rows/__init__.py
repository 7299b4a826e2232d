"""What each of Istio's unit tests asks, by subject; a check returns what we have and should."""
