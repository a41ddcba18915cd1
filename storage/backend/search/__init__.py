"""The parts of search that all SQL backends share: vectors of messages, and counts of messages to be indexed."""
