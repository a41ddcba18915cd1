"""The SQL that all databases share, a module for each kind of record. Parameters are `:name`."""
