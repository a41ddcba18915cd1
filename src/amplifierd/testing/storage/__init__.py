"""The behaviour of a storage, as tests that run against any database: `pytest --pyargs amplifierd.testing.storage`.

`--storage URL` names the database (see `fixtures`). The tests use the interface of the storage only; what they need
besides, the extra `storage-test` installs.
"""
