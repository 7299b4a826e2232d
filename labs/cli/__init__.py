"""`meshdojo`, the command line: thin shells around functions that return values.

`main.py` puts the groups together and turns errors into messages and exit codes;
every other module holds one group of commands.
"""
