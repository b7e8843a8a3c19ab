# Targets to build, try and test tapline. `make` alone lists them.

# A binary that runs on any Linux of its kind, and builds where there is no C compiler.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
BUILD   := CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-X main.version=$(VERSION)'

# The real parts that tests talk to. With TAPLINE_REQUIRE naming a part, its tests fail where they would skip.
REAL_PARTS := npm pcscd chromium postgres tmpfs fuse systemd promtool moov

# Packages whose tests start processes or run for minutes: tested without the race detector.
# go test starts packages in the order in which they are named, here and in LONGEST: the longest first, so that none is left
# to run alone on one of two cores.
WITHOUT_RACE := webui cmd/tapline internal/sim clients examples/shop internal/simdisk scripts/clients scripts/gotest
LONGEST      := sqlstore httpapi internal/bench notice processor

ALL_PACKAGES = $(shell go list ./...)
SLOW         = $(addprefix tapline/,$(WITHOUT_RACE))
FIRST        = $(addprefix tapline/,$(LONGEST))
RACED        = $(FIRST) $(filter-out $(SLOW) $(FIRST),$(ALL_PACKAGES))

# All of tapline, its drivers and what else it is built from are compiled for the race detector, but not SQLite itself: that is
# C translated to Go, which keeps its data in memory of its own that the detector does not watch, and takes five times as
# long with it. The driver above it, and the locks and the channels between goroutines, are watched as ever.
RACE := -race -gcflags=modernc.org/...=-race=false

# Tests that run on PostgreSQL, too: all of processor, and the claims about races, repeats, deadlines and taps. Those of
# sqlstore always do. TAPLINE_TEST_DB=postgres go test ./httpapi runs every claim.
CLAIMS_ON_BOTH := AtOnce|Parallel|Lost|Replay|Expir|Tap|Rehears|Money

# More flags for go test, such as -count=1 or -run TestName.
TESTFLAGS ?=
# How long `make fuzz` runs each fuzz function.
FUZZTIME ?= 20s

# gotest is go test that fails on a skipped test, and when no test ran. go vet has run before it.
GOTEST = go run ./scripts/gotest -vet=off $(TESTFLAGS)

.NOTPARALLEL:

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build ./tapline
	$(BUILD) -o tapline ./cmd/tapline

.PHONY: demo
demo: build ## build and run the demo; ONCE=1 ends after three payments
	./tapline demo $(if $(filter-out 0,$(ONCE)),--once)

.PHONY: test
test: test-deps check unit ## install what tests need, check the source, run every test; TEST_DEPS=no installs nothing

.PHONY: test-deps
test-deps:
ifneq ($(TEST_DEPS),no)
	scripts/install-test-deps
endif

# The systems besides this one that the binary is built for. Its tests do not run on them.
OTHER_SYSTEMS := windows/amd64 darwin/arm64

.PHONY: check
check: ## gofmt, go vet, for other systems too, and staticcheck
	@files=$$(gofmt -l .) || exit 1; \
	if [ -n "$$files" ]; then printf 'not formatted, run "make fmt":\n%s\n' "$$files" >&2; exit 1; fi
	go vet ./...
	go vet -tags ha ./cmd/tapline
	@for system in $(OTHER_SYSTEMS); do \
		echo "go vet for $$system"; \
		CGO_ENABLED=0 GOOS=$${system%/*} GOARCH=$${system#*/} go vet ./cmd/tapline ./card/... || exit 1; \
	done
	go tool staticcheck ./...

.PHONY: unit
unit: export TAPLINE_REQUIRE = $(REAL_PARTS)
unit: race-deps
	$(GOTEST) $(RACE) -timeout 20m $(RACED)
	$(GOTEST) -timeout 20m $(SLOW)
	TAPLINE_TEST_DB=postgres $(GOTEST) -timeout 10m ./processor
	TAPLINE_TEST_DB=postgres $(GOTEST) -timeout 10m -run '$(CLAIMS_ON_BOTH)' ./httpapi

# The race detector is the only part of tapline that needs cgo.
.PHONY: race-deps
race-deps:
	@cc=$$(go env CC); command -v "$${cc%% *}" >/dev/null || { \
		echo "make test: no C compiler ($$cc), which go test -race needs" >&2; \
		echo "hint: on Debian, as root: apt-get install gcc libc6-dev" >&2; exit 1; }

.PHONY: screens
screens: ## write pictures of every page in every state that tests look at to docs/screens
	mkdir -p docs/screens
	TAPLINE_SHOTS=$(CURDIR)/docs/screens go test -count=1 -timeout 20m ./webui

# Where `make bench` keeps the large database. BENCHFLAGS are more flags, such as -payments 1000000 or -duration 5s.
BENCH_DIR ?= bench-data

.PHONY: bench
bench: build ## measure the table of docs/performance.md; QUICK=1 in minutes; ROWS=tap,engine only these
	go run ./scripts/performance -dir $(BENCH_DIR) $(if $(filter-out 0,$(QUICK)),-quick) $(if $(ROWS),-only $(ROWS)) $(BENCHFLAGS)

.PHONY: sim
sim: ## run 10,000 seeds of the simulation, from SEED on (1); docs/reliability.md
	go test -count=1 -timeout 2h ./internal/sim -run '^TestSeeds$$' -v -seeds 10000 -seed $(or $(SEED),1) | grep -v '^ *--- PASS\|^=== '

.PHONY: sim-mutations
sim-mutations: ## put bugs into the source, one after the other, and see that the simulation finds each
	go test -count=1 -timeout 1h ./internal/sim -run '^TestMutations$$' -v -mutations

.PHONY: crash
crash: ## kill a service under load with SIGKILL 200 times, and count what it has acknowledged
	go test -count=1 -timeout 1h ./cmd/tapline -run '^TestCrashes$$' -v -crashes 200 | grep -v 'so far$$'

.PHONY: overload
overload: ## ask a service, on a core of its own, for three times what it can do, for a minute; fill its queue of PINs
	taskset --cpu-list 1-$$(($$(nproc) - 1)) go test -count=1 -timeout 10m ./cmd/tapline -run TestOverload -v -overload 1m -overload-core 0
	go test -count=1 -timeout 10m ./cmd/tapline -run AFloodOfPINs -v

.PHONY: linear
linear: export TAPLINE_REQUIRE = $(REAL_PARTS)
linear: ## check histories of several services under kill -9 for linearizability, a minute each
	go test -count=1 -timeout 20m ./cmd/tapline -run 'Linearizable' -v -linear 1m

.PHONY: lint
lint: export TAPLINE_REQUIRE = $(REAL_PARTS)
lint: ## show the OpenAPI document to redocly and spectral
	go test -count=1 ./httpapi -run '^TestDocumentLintsClean$$'

.PHONY: upgrade-fixture
upgrade-fixture: ## keep databases of the newest schema, whose number is SCHEMA, for the test of upgrades
	go test -count=1 ./cmd/tapline -run '^TestUpgrade$$' -make-upgrade-fixture $(SCHEMA)

.PHONY: test-ha
test-ha: ## kill, pause and switch three replicated PostgreSQL servers under load; installs what it needs, TEST_DEPS=no nothing
ifneq ($(TEST_DEPS),no)
	scripts/install-test-deps --ha
endif
	go test -tags ha -count=1 -timeout 20m ./cmd/tapline -run '^TestReplicatedPostgreSQL$$' -v

.PHONY: fuzz
fuzz: ## run every fuzz function for FUZZTIME (20s)
	scripts/fuzz $(FUZZTIME)

.PHONY: generate
generate: clients ## write the generated files anew
	go generate ./...

.PHONY: clients
clients: ## write what is generated of the JavaScript client anew, after the API has changed
	go run ./scripts/clients .

.PHONY: fmt
fmt: ## format the source
	gofmt -w .
