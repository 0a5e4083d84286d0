"""One module or package per provider; nothing else in the program knows a provider by name.

`registry` finds them: a module here with a `PROVIDER` is a provider, and adding one edits nothing.
"""
