"""The several readings of one text in which disguises fall away, each with its way back to the original. Pure, but for its tables."""
