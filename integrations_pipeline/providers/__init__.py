"""One module or package per provider; nothing else in the program knows a provider by name.

`registry` finds them by entry points, those of other packages too: adding one edits nothing here.
"""
