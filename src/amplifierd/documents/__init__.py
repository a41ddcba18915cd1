"""Reads and writes the files that people edit: profiles, collections, directory markers, transcripts in Markdown.

This package imports the storage's model and the contract's JSON rules.
"""
