"""The wire of Parley: frames, their codec, and the reader's replica. Pure: no I/O, no clock, no randomness."""
