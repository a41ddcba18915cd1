"""A storage over transactions and SQL: the interface carried out by `operations`, for backends to inherit.

Imports all folders above; the backends `sqlite` and `postgres` import it, and never each other.
"""
