"""A storage over transactions and SQL: it implements the interface by `operations`, for backends to inherit.

Imports all folders above; the backends `sqlite` and `postgres` import it, and never each other.
"""
