"""The path of a post and of a takedown: where access, inspection, store and hub meet."""
