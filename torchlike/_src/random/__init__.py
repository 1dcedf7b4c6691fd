"""Random streams: torch's Mersenne Twister on the host, and seeds for counter-based ops on the device."""
