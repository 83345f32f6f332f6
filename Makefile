# The commands of this repository. `make devnet` and `make test` need nothing but a Rust toolchain and, to install
# what RocksDB's build lacks, apt-get. Everything builds in the release profile: RocksDB's C++ compiles once.

TARGET := $(or $(CARGO_TARGET_DIR),target)
TONLE := $(TARGET)/release/tonle
# What `make soak` does: seeds of the simulator, random operations of the ledger, seconds for each fuzz target, kills of
# real processes, random transactions against a second ledger, then load on a devnet at this rate for so long.
SEEDS ?= 10000
OPERATIONS ?= 10000000
FUZZ ?= 60
KILLS ?= 500
LEDGER ?= 100000
RATE ?= 1000
SPAN ?= 10m

.PHONY: help setup setup-tests build devnet test check advisories bench bench-parts bench-instructions accept-instructions soak

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what the build lacks (libclang, clang++)
	@.ci/setup

setup-tests: ## ... and what the tests lack (strace, zbar, Python's venv, npm)
	@.ci/setup tests

build: setup ## build the tonle binary
	cargo build --release --package tonle-node

devnet: build ## four validators on this machine; Ctrl-C stops them
	@$(TONLE) devnet up

test: setup-tests ## the checks, and every test of every suite; ends with one line: N passed, N failed
	@.ci/test

check: setup ## formatting, lints, documentation, dependencies, tidiness
	@.ci/check
	cargo test --release --package tonle-node --test tidy

advisories: setup ## known advisories against Cargo.lock: their database is fetched, so this is not part of `make test`
	cargo deny --version >/dev/null 2>&1 || cargo install cargo-deny --locked
	cargo deny check advisories

bench: build bench-parts ## measure networks of validators against what the machine could do (all scenarios: about fifty minutes), after the inner parts, and the transport alone
	$(TONLE) devnet bench
	cargo run --release --package tonle-ledger --example throughput -- 1000000 200000
	cargo run --release --package tonle-node --example network_latency

bench-parts: setup ## measure the inner parts one by one (three minutes, and the build)
	cargo bench --package tonle-consensus --package tonle-ledger --package tonle-replica --package tonle-node \
		--bench engine --bench certificates --bench batches --bench execute --bench state_root --bench storage

bench-instructions: ## count the instructions of the deterministic parts; fails more than 5 % above docs/performance/instructions.txt
	@.ci/setup instructions
	@.ci/instructions

accept-instructions: ## take the instructions counted now as the ones to compare with
	@.ci/setup instructions
	@.ci/instructions accept

soak: setup-tests build ## simulator, crashes, Twins, all states of few views, planted bugs, specification, OPERATIONS random operations of the ledger, fuzzing (FUZZ s a target), 10,000 KHQR inputs against the published SDKs, KILLS real kills, LEDGER random transactions against a second ledger; then a devnet at RATE for SPAN
	TONLE_SEEDS=$(SEEDS) TONLE_DRILL_STEP=1 TONLE_REJOINS=500 TONLE_TWINS_VIEWS=3 TONLE_TWINS=5000 TONLE_WAN=100 cargo test --release --package tonle-simulator
	devnet/simulator/planted/hunt
	@traces=$$(mktemp) && trap "rm -f $$traces" EXIT && \
	cargo run --release -p tonle-simulator --bin explore -- --traces $$traces && SPEC_TRACES=$$traces consensus/spec/check
	cargo run --release -p tonle-simulator --bin explore -- --views 2 --crashes 1 --seconds 600
	cargo run --release -p tonle-simulator --bin explore -- --views 3 --seconds 600
	TONLE_OPERATIONS=$(OPERATIONS) cargo test --release --package tonle-ledger --test histories -- --nocapture
	cargo run --release --package tonle-fuzz -- run --seconds $(FUZZ)
	KHQR_INPUTS=10000 cargo test --release --package tonle-khqr --test packages
	node/tests/kills/run.sh --kills $(KILLS) --tonle $(TONLE)
	node/tests/second_ledger/run.sh --transactions $(LEDGER) --codes 70 --doctor --tonle $(TONLE)
	@folder=$$(mktemp -d) && trap "rm -rf $$folder" EXIT && \
	$(TONLE) devnet up --detach --wait --dir $$folder/net && \
	{ $(TONLE) devnet load --rate $(RATE) --for $(SPAN) --dir $$folder/net; status=$$?; \
	$(TONLE) devnet down --dir $$folder/net; exit $$status; }
