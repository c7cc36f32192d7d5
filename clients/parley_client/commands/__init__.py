"""The ``parley`` command: one module per thing it does, the screens apart from what they show."""
