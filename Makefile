PYTHON ?= python

.PHONY: bench clients
clients: ## Generate, compile and play a client in each language
	$(PYTHON) -m clients

bench: ## Measure amplifierd beside its peers; `python -m bench --quick` takes two minutes
	$(PYTHON) -m bench
