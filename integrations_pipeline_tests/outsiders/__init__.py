"""Stories of faults that outsiders found, played by the real command line against two imitations of the services.

Belongs here: a second imitation that knows nothing of the product, and the stories. Does not: anything that imports
the product's providers or its sandbox; an imitation that shares a hand with the client proves nothing.
"""
