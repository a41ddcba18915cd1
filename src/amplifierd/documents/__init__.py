"""Records as files that people write and read: profiles, markers of directories, transcripts in Markdown.

Imports the storage's model and the contract's JSON rules.
"""
