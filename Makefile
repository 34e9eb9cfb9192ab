# Two commands matter: `make run` starts the demo, `make test` runs every test.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 5000x
SOAK        ?= 1000000
BIN         := bin

# What make bench measures; docs/performance.md explains.
CASES  ?= all
PEERS  ?= nginx,haproxy,plain
ENGINE ?=
ROUNDS ?= 5
SECS   ?= 1

.PHONY: run build deps test check race fuzz bench microbench generate soak clean

run: build
	$(BIN)/sluice demo

build:
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o $(BIN)/sluice ./cmd/sluice

# The servers that our own is tested beside, and a tool that attacks it slowly.
# Without them their tests are skipped, which says so.
NEIGHBOURS := nginx haproxy apache2 slowhttptest

deps:
	@PATH="$$PATH:/usr/sbin"; missing=; for p in $(NEIGHBOURS); do command -v $$p >/dev/null || missing="$$missing $$p"; done; \
	if test -z "$$missing"; then exit 0; fi; \
	if ! command -v apt-get >/dev/null || test "$$(id -u)" != 0; then \
		echo "deps: not installed:$$missing; their tests will be skipped. As root on Debian, make deps installs them."; exit 0; \
	fi; \
	echo "deps: installing$$missing"; \
	apt-get update -q && apt-get install -y -q --no-install-recommends $$missing || \
		echo "deps: cannot install$$missing; their tests will be skipped"

# Everything that must hold before a change is sent.
test: deps check race fuzz

check: build
	@unformatted=$$(gofmt -l cmd internal test); test -z "$$unformatted" || { echo "not gofmt-ed: $$unformatted"; exit 1; }
	go vet ./...
	GOBIN=$(CURDIR)/$(BIN) go install $(STATICCHECK)
	$(BIN)/staticcheck ./...

# The plain run asserts allocation budgets, the other one looks for races. The
# floods of test/framing run by themselves: the system then resets connections
# that belong to others.
race:
	@set -e; for mode in '' -race; do \
		echo "go test $$mode ./..."; \
		go test $$mode $$(go list ./... | grep -v '/test/framing$$'); \
		go test $$mode ./test/framing; \
	done

# A short run of every fuzz target, counted in runs: a deadline in the middle of
# one is reported as a failure. Findings land in testdata/fuzz.
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
	go test -count 1 -v -timeout 2h -run '^Test(Soak|Pools)$$' ./test/reliability -soak '$(SOAK)' $(if $(ENGINE),-engine '$(ENGINE)')
	go test -race -count 1 -v -timeout 2h -run '^TestSoak$$' ./test/reliability -soak "$$(($(SOAK) / 10))" $(if $(ENGINE),-engine '$(ENGINE)')

# The gateway against nginx, HAProxy and a plain gateway in Go, in ten minutes
# or less. Needs Linux and gcc; installs nginx and HAProxy if it is root.
bench: build
	go build -o $(BIN)/bench ./test/bench
	$(BIN)/bench -sluice $(BIN)/sluice -engine '$(ENGINE)' -cases '$(CASES)' -peers '$(PEERS)' -rounds '$(ROUNDS)' -secs '$(SECS)'

microbench:
	go test -run '^$$' -bench . -benchmem ./internal/...

# Rewrites what is generated from the option types; a test fails while it is
# out of date.
generate:
	go test ./internal/manual -update

clean:
	rm -rf $(BIN)
