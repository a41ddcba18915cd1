PYTHON ?= .venv/bin/python

.PHONY: bench clients contract-tools curves databases fair-share fuzz histories operations page soak torture

# Measure the service beside two programs of the same API; needs wrk and the `bench` extra.
bench:
	$(PYTHON) -m bench

# Generate, compile and play a client in each language.
clients:
	$(PYTHON) -m clients

# Let Spectral, Prism, openapi-core and a Postman collection check the contract and the service.
contract-tools:
	$(PYTHON) -m pytest --contract-tools tests/contract_tools

# Measure the service as it grows; needs what `bench` needs, and 10 GB below bench/.
curves:
	$(PYTHON) -m bench.curves

# Measure the service on SQLite beside the service on PostgreSQL; needs what `bench` needs.
databases:
	$(PYTHON) tests/postgres.py $(PYTHON) -m bench.databases

# Measure what everybody else gets while clients ask for the worst.
fair-share:
	$(PYTHON) -m bench.fair_share

# Fuzz for ten minutes each, with new seeds, which are printed: the operations, and HTTP itself by mutated requests. Then
# try new cases of each test that has random ones.
fuzz:
	$(PYTHON) -m pytest --fuzz-seconds 600 -s tests/service/test_fuzz.py tests/service/connections/test_chunked_bodies.py \
		tests/contract/http/test_raw_http.py
	$(PYTHON) -m pytest --fuzz-seconds 1 -q -m hypothesis tests

# Hold each database to the storage in memory for twenty minutes, one new seed of random histories after another.
histories:
	$(PYTHON) -m pytest --fuzz-seconds 1200 -s tests/storage/test_histories.py

# Write the list of operations that reviews read.
operations:
	$(PYTHON) openapi-checks/operations.py > docs/operations.txt

# Check the page's types, test it in two browsers, and write the pictures of it that the documentation shows.
page:
	cd web && npm install --no-package-lock --no-audit --no-fund --ignore-scripts && npm run check
	$(PYTHON) tests/programs/firefox.py
	$(PYTHON) -m pytest --screenshots tests/page

# Put full load on the service for ten minutes; needs what `bench` needs.
soak:
	$(PYTHON) -m bench.soak

# Kill the service under sixteen clients a hundred times, on SQLite and on PostgreSQL.
torture:
	$(PYTHON) -m pytest --torture-rounds 100 -s tests/service/databases/test_torture.py
