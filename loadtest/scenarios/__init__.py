"""The scenarios: a file each with its sizes and thresholds, and the modules that run them."""
