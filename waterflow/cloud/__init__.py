"""A managed cloud's runs, once: all that needs an object store and a service that runs jobs."""
