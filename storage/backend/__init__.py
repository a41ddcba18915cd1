"""A storage over transactions and SQL: it implements the interface with `operations`, for backends to inherit.

Imports all folders above; the backends `sqlite` and `postgres` import it, but never each other.
"""
