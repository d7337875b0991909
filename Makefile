# The only door: everything that a person or CI does here is a target. Scripts behind it are in tests/support.
.DEFAULT_GOAL := help
.PHONY: help build demo test nightly lint fmt floors bench bench-peers bench-scale bench-loops instructions deb dist package-test screenshots clean
SHELL := /bin/bash
CARGO ?= cargo
support := tests/support

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the release binary, target/release/techcare-db
	$(CARGO) build --release --locked

demo: ## a TechCare file through SQLite → PostgreSQL → MariaDB → SQLite, and proof that nothing changed
	@$(support)/demo.sh

test: ## every test, on private PostgreSQL, MariaDB and MySQL servers that come and go with it
	@$(support)/servers run --mysql $(support)/test.sh

nightly: ## `make test` with the sizes that take long (300,000 diagnostics)
	@TECHCARE_DB_TEST_NIGHTLY=1 $(support)/servers run --mysql $(support)/test.sh

lint: floors ## clippy and rustdoc, warnings denied, and the floors
	$(CARGO) clippy --workspace --all-targets --all-features --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked --document-private-items

fmt: ## format all Rust code
	$(CARGO) fmt --all

floors: ## imports run downwards only: the check, after a check of the check
	@$(support)/floors.sh --self-test
	@$(support)/floors.sh .

bench: ## ours beside the servers' own bulk load and the peers that are there (tests/support/bench.sh names the settings)
	@$(support)/bench.sh

bench-peers: ## fetch the peers of `make bench`, beside the repository
	@$(support)/bench.sh peers

bench-scale: ## how costs grow with rows, tables, columns, long values and a slow link
	@$(support)/bench.sh scale

bench-loops: ## time of each hot loop alone (criterion; what the last run took is in target/criterion)
	$(CARGO) bench --locked --features loops --bench loops

instructions: ## instructions of each hot loop (callgrind): the judge where times are noisy
	@$(support)/instructions.sh

deb: ## a Debian package, target/debian/techcare-db_*.deb
	@$(support)/package.sh deb

dist: ## what a release has: package, archive of the binary, SBOM, checksums, in target/dist
	@$(support)/package.sh dist

package-test: ## the package, installed, used, removed and purged in a booted Debian of its own (root only)
	@$(support)/package.sh test

screenshots: ## the pictures of docs/report.md, from a real run in a headless Chromium, which also judges the page
	@$(support)/screenshots.sh

clean: ## remove what was built and generated
	$(CARGO) clean
	rm -rf reports backups
