# The commands of this repository. `make devnet` and `make test` need nothing but a Rust toolchain and, to install
# what RocksDB's build lacks, apt-get. Everything builds in the release profile: RocksDB's C++ compiles once.

TARGET := $(or $(CARGO_TARGET_DIR),target)
TONLE := $(TARGET)/release/tonle
# What `make soak` does: seeds of the simulator, then load on a devnet at this rate for so long.
SEEDS ?= 5000
RATE ?= 1000
SPAN ?= 10m

.PHONY: help setup build devnet test check deny bench soak

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what the build lacks (libclang, a C++ compiler)
	@.ci/setup

build: setup ## build the tonle binary
	cargo build --release --package tonle-node

devnet: build ## four validators on this machine; Ctrl-C stops them
	@$(TONLE) devnet up

test: setup ## every test of every suite; ends with one line: N passed, N failed
	@.ci/test

check: setup ## formatting, lints, documentation, tidiness, dependencies
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --release --workspace --no-deps
	cargo test --release --package tonle-node --test tidy
	@if command -v cargo-deny >/dev/null; then cargo deny check bans licenses sources; \
	else echo "cargo-deny is not installed: the tidy test held deny.toml; 'make deny' installs it"; fi

deny: ## install cargo-deny (compiles for some minutes) and check dependencies, with advisories
	command -v cargo-deny >/dev/null || cargo install cargo-deny --locked
	cargo deny check

bench: build ## measure the ledger, the network and a devnet under load; compare with docs/performance
	cargo run --release --package tonle-ledger --example throughput -- 1000000 200000
	cargo run --release --package tonle-node --example network_latency
	@folder=$$(mktemp -d) && trap "rm -rf $$folder" EXIT && \
	$(TONLE) devnet up --detach --wait --dir $$folder/net && \
	{ $(TONLE) devnet load --rate 500 --for 30s --batch 1 --dir $$folder/net; \
	$(TONLE) devnet load --rate 2000 --for 30s --batch 1 --dir $$folder/net; status=$$?; \
	$(TONLE) devnet down --dir $$folder/net; exit $$status; }

soak: build ## SEEDS of the simulator, then a devnet under load at RATE for SPAN
	TONLE_SEEDS=$(SEEDS) cargo test --release --package tonle-simulator
	@folder=$$(mktemp -d) && trap "rm -rf $$folder" EXIT && \
	$(TONLE) devnet up --detach --wait --dir $$folder/net && \
	{ $(TONLE) devnet load --rate $(RATE) --for $(SPAN) --dir $$folder/net; status=$$?; \
	$(TONLE) devnet down --dir $$folder/net; exit $$status; }
