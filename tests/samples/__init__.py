"""Data that tests read: other tools' histories and databases, messages of providers, collections, exports."""
