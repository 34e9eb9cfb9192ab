# Two commands matter: `make run` starts the demo, `make test` runs every test.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 30s
SOAK        ?= 1000000
BIN         := bin

# What make bench measures; docs/performance.md explains.
CASES  ?= all
PEERS  ?= $(if $(BEFORE),,nginx,haproxy,plain)
ENGINE ?=
BEFORE ?=
ROUNDS ?= 0
SECS   ?= 1

# Build tags: make build TAGS=slim leaves out what needs a heavy library.
TAGS ?=

.PHONY: run build sizes slim deps test quick new component check race fuzz bench microbench generate soak clean

run: build
	$(BIN)/sluice demo

build:
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -tags '$(TAGS)' -o $(BIN)/sluice ./cmd/sluice

# How large both builds are, in bytes.
sizes:
	@for tags in '' slim; do \
		CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -tags "$$tags" -o $(BIN)/size ./cmd/sluice && \
		echo "$${tags:-full} $$(wc -c < $(BIN)/size)"; \
	done; rm -f $(BIN)/size

# The servers that our own is tested beside, a tool that attacks it slowly, shells that
# complete its commands, and what reads its manual pages. Without them their tests are
# skipped, which says so. Without the broker, tests of what talks to it fail.
NEIGHBOURS := nginx haproxy apache2 slowhttptest zsh fish mandoc
BROKERS    := rabbitmq-server

deps:
	@PATH="$$PATH:/usr/sbin"; missing=; for p in $(NEIGHBOURS) $(BROKERS); do command -v $$p >/dev/null || missing="$$missing $$p"; done; \
	if test -z "$$missing"; then exit 0; fi; \
	if ! command -v apt-get >/dev/null || test "$$(id -u)" != 0; then \
		echo "deps: not installed:$$missing; their tests will be skipped, those of $(BROKERS) fail. As root on Debian, make deps installs them."; exit 0; \
	fi; \
	echo "deps: installing$$missing"; \
	apt-get update -q && apt-get install -y -q --no-install-recommends $$missing || \
		echo "deps: cannot install$$missing; their tests will be skipped, those of $(BROKERS) fail"

# Everything that must hold before a change is sent. Nothing in it hangs on
# chance: fuzz targets replay their seeds and what they once found, no test
# measures time, and none is run again because it failed.
test: deps check slim race

# What a change most likely breaks, in a minute or so: the packages with files
# that differ from BASE, and all transcripts. No race detector.
BASE ?= HEAD
quick:
	@unformatted=$$(gofmt -l cmd internal test); test -z "$$unformatted" || { echo "not gofmt-ed: $$unformatted"; exit 1; }
	@changed=$$({ git diff --name-only $(BASE); git ls-files --others --exclude-standard; } | \
		grep -E '(^|/)(testdata/.*|[^/]*\.go)$$' | sed -E 's,/testdata/.*,/x,; s,/[^/]*$$,,' | sort -u); \
	pkgs=; for dir in $$(printf '%s\n' $$changed test/conformance | sort -u); do ls $$dir/*.go >/dev/null 2>&1 && pkgs="$$pkgs ./$$dir"; done; \
	echo "go test$$pkgs"; go vet $$pkgs && go test $$pkgs

# The skeleton of a component: make new C=qos/pause SCOPE=backend, several scopes
# such as SCOPE="endpoint backend", or SCOPE=connector, pipe, source or port.
new:
	@go run ./internal/scaffold new '$(C)' $(SCOPE)
	@$(MAKE) --no-print-directory generate
	@echo "write what make component C=$(C) lists; CONTRIBUTING.md helps"

# All that concerns one component, in a line each: make component C=qos/pause. What
# staticcheck says is there once make bin/staticcheck or make check has built it.
component:
	@go run ./internal/scaffold component '$(C)'

# The Makefile says which version it is.
$(BIN)/staticcheck: Makefile
	GOBIN=$(CURDIR)/$(BIN) go install $(STATICCHECK)
	@touch $@

check: build $(BIN)/staticcheck
	@unformatted=$$(gofmt -l cmd internal test); test -z "$$unformatted" || { echo "not gofmt-ed: $$unformatted"; exit 1; }
	go vet ./...
	$(BIN)/staticcheck ./...

# The slim build: that all of it compiles, and that the packages of which it leaves parts
# out, and a driver that it has, pass their tests. test/slim has what it says to users.
slim:
	go vet -tags slim ./...
	go test -tags slim ./internal/components/backend/lambda ./internal/components/backend/pubsub ./internal/kit/queue/... ./internal/kit/nats ./internal/manual ./internal/schema

# Everything under the race detector; then, without it, what it would distort: packages
# with tests that count allocations, or ask whether it is on. The floods of test/framing
# run by themselves: the system then resets connections that belong to others.
race:
	@set -e; all=$$(go list ./... | grep -v '/test/framing$$'); \
	plain=$$(grep -rlE --include='*_test.go' 'AllocsPerRun|testx\.Race' internal test | xargs -n 1 dirname | sort -u | grep -v '^test/framing$$' | sed 's,^,./,'); \
	echo 'go test -race ./...'; go test -race $$all; go test -race ./test/framing; \
	echo "go test $$plain"; go test $$plain; go test ./test/framing

# Every fuzz target for FUZZTIME, which may be a number of runs such as 5000x.
# Findings land in testdata/fuzz, are committed, and are replayed by make test.
# The deadline of go test in the middle of a run is reported as a failure; a
# number of runs has none.
fuzz:
	@set -e; for pkg in $$(go list ./...); do \
		dir=$$(go list -f '{{.Dir}}' $$pkg); \
		for target in $$(grep -hos '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | sed 's/func //'); do \
			echo "fuzz $$pkg $$target"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$pkg; \
		done; \
	done

# A million requests through each engine, mixed with everything that clients and
# backends do wrong, then a tenth of that with the race detector: half an hour,
# on the loopback interface only. SOAK=20000 takes a minute or two, and
# ENGINE=nethttp soaks that engine alone.
soak:
	go test -count 1 -v -timeout 2h -run '^Test(Soak|Pools|CrossTalk)$$' ./test/reliability -soak '$(SOAK)' $(if $(ENGINE),-engine '$(ENGINE)')
	go test -count 1 -timeout 2h -run '^TestMutations$$' ./test/framing -mutations "$$(($(SOAK) / 10))"
	go test -race -count 1 -v -timeout 2h -run '^Test(Soak|CrossTalk)$$' ./test/reliability -soak "$$(($(SOAK) / 10))" $(if $(ENGINE),-engine '$(ENGINE)')

# The gateway against nginx, HAProxy and a plain gateway in Go, in ten minutes
# or less. Needs Linux and gcc; installs nginx and HAProxy if it is root.
bench: build
	go build -o $(BIN)/bench ./test/bench
	$(BIN)/bench -sluice $(BIN)/sluice -engine '$(ENGINE)' -cases '$(CASES)' -peers '$(PEERS)' -before '$(BEFORE)' -rounds '$(ROUNDS)' -secs '$(SECS)'

microbench:
	go test -run '^$$' -bench . -benchmem ./internal/...

# Rewrites what is generated from the folders of components and their option types; a
# test fails while it is out of date. After a merge, too: see .gitattributes.
generate:
	@go run ./internal/scaffold imports
	go test ./internal/manual -run 'Current$$' -update

clean:
	rm -rf $(BIN)
