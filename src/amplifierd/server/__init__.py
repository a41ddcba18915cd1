"""The daemon: a socket, a storage that opens, uvicorn in one process or several, its logs and its end.

Imports the application and the contract; `commands` starts it.
"""
