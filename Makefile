PYTHON ?= python

.PHONY: clients
clients: ## Generate, compile and play a client in each language
	$(PYTHON) -m clients
