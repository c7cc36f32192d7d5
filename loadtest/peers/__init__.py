"""Servers to measure beside Parley: what they are (``catalogue``), how a raw reader joins them (``opening``), a driver for each."""
