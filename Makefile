PYTHON ?= .venv/bin/python

.PHONY: clients fuzz operations

# Generate, compile and play a client in each language.
clients:
	$(PYTHON) -m clients

# Fuzz for ten minutes, one seed after another.
fuzz:
	$(PYTHON) -m pytest --fuzz-seconds 600 tests/service/test_fuzz.py

# Write the list of operations that reviews read.
operations:
	$(PYTHON) contract/operations.py > docs/operations.txt
