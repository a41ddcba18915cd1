"""A contract-first store for LLM conversations, served over HTTP.

`create_app(settings, storage)` in `app` assembles the application; `tests/packaging/test_house.py` has the order
of imports.
"""

__version__ = "1.0.0"
