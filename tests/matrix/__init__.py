"""Every write path under every fault: what is said of it, and whether that is the truth."""
