PYTHON ?= .venv/bin/python

.PHONY: bench clients fuzz operations

# Measure the service beside two programs of the same API; needs wrk and the `bench` extra.
bench:
	$(PYTHON) -m bench

# Generate, compile and play a client in each language.
clients:
	$(PYTHON) -m clients

# Fuzz for ten minutes, one seed after another.
fuzz:
	$(PYTHON) -m pytest --fuzz-seconds 600 tests/service/test_fuzz.py

# Write the list of operations that reviews read.
operations:
	$(PYTHON) contract/operations.py > docs/operations.txt
