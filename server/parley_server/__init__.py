"""The Parley server: every post is inspected, stored, then seen; what is stopped is stopped everywhere, and recorded."""
