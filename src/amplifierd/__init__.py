"""A contract-first store for LLM conversations, served over HTTP.

`create_app(settings, storage)` in `app` is where the parts meet; `tests/packaging/test_house.py` has the order in which
they import each other.
"""

__version__ = "0.1.0"
