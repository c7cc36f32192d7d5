"""The inline stage: normalise, look, judge within a budget; and the rules that it looks by."""
