# The two commands that matter: `make run` and `make test`. Both set up what is missing.

GUEST_TARGET := wasm32-wasip2
BUNDLES := examples/order-service

.DEFAULT_GOAL := help
.PHONY: help run serve test lint soak fuzz bench bench-long guests build toolchain fuzzers databases

help: ## Say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: build guests ## Fulfil 460 orders, with version 2 deployed half-way, and count what was applied
	target/debug/run-orders

serve: build guests ## Leave the host and the order service running and say where
	target/debug/run-orders --serve

# The gate tries the same random values every time; `make soak` tries others.
test: export PROPTEST_RNG_SEED := 20
test: lint guests databases ## Everything that must hold
	# With the tests' own dependencies from the start: else what both need is compiled twice.
	cargo build --workspace --all-targets --locked
	cargo test --workspace --locked --no-fail-fast
	cargo test --manifest-path delegates/Cargo.toml --locked

lint: toolchain ## Formatting and lints
	cargo fmt --all --check
	cargo fmt --manifest-path delegates/Cargo.toml --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

soak: build guests databases fuzzers ## A hundred kills on each database, long simulations, fuzzing; more than an hour
	MANDATE_KILLS=100 cargo test -p mandate-tests --locked --test kill --test crash -- --nocapture --test-threads 1
	MANDATE_SIM_RUNS=20000 cargo test -p mandate-engine --locked --test simulation -- --nocapture
	MANDATE_SIM_RUNS=500 cargo test -p mandate-runtime --locked --test runtime store_holds -- --nocapture
	MANDATE_CHILDREN=10000 cargo test -p mandate-tests --locked --test wide -- --nocapture
	for round in 1 2 3 4 5 6 7 8 9 10; do cargo test -q -p mandate-feel -p mandate-model --locked --test expressions --test model -- robust corpus || exit 1; done
	fuzz/run

fuzz: fuzzers ## Each fuzz target for FUZZ_SECONDS (60); installs a nightly compiler and cargo-fuzz where they are missing
	fuzz/run

bench: guests databases ## What the engine costs, on both databases; BENCH="--scenario S1 --runs 1" for less
	cargo build -p mandate-bench --release --locked --bin bench
	target/release/bench $(BENCH)
	target/release/bench steps

bench-long: guests databases ## The same beside a million instances, on two hosts, while history is removed, beside a long read, and a soak; more than an hour
	cargo build -p mandate-bench --release --locked --bin bench
	target/release/bench --long $(BENCH)

build: toolchain
	cargo build --workspace --locked

guests: toolchain ## Build the delegates
	cargo build --manifest-path delegates/Cargo.toml --release --target $(GUEST_TARGET) --locked

toolchain:
	@rustup target list --installed | grep -qx $(GUEST_TARGET) || rustup target add $(GUEST_TARGET)
	@cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
	@cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt

fuzzers:
	@rustup toolchain list | grep -q '^nightly' || rustup toolchain install nightly --profile minimal
	@cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked

# Tests start databases of their own; only the programs are needed: a server, SQLite's shell, and what shows their system calls.
databases:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -q && apt-get install -y -q postgresql; } || \
	  { echo "PostgreSQL's server programs are missing: install the package postgresql" >&2; exit 1; }
	@command -v sqlite3 >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -q && apt-get install -y -q sqlite3; } || \
	  { echo "SQLite's shell is missing: install the package sqlite3" >&2; exit 1; }
	@command -v strace >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -q && apt-get install -y -q strace; } || \
	  { echo "strace is missing: install the package strace" >&2; exit 1; }
	@command -v valgrind >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -q && apt-get install -y -q valgrind; } || \
	  { echo "valgrind is missing: install the package valgrind" >&2; exit 1; }
