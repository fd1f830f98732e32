"""People and machines for a test, made as the world makes them: through the API and smile-admin."""
import itertools
import os
import random

from client import new_key

PASSWORD = "perahu-kertas-di-laut-7"


class Actors:
    """Each method makes somebody new and returns what a test needs of them, the token among it."""

    def __init__(self, client):
        self.client = client
        self.server = client.server
        self.numbers = itertools.count(1)
        self.random = random.Random(os.getpid())
