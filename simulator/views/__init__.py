"""A run made visible: `table` and `journey` (text), `topology` (graphs as data), `plot` (figures).

Nothing below imports these; they are what matplotlib and networkx are for.
"""
