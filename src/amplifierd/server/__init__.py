"""The daemon: its socket, the opening of its storage, uvicorn in one or several processes, logs, shutdown.

Imports the application and the contract; `commands` starts it.
"""
