# Two commands matter: `make run` starts the demo, `make test` runs every test.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 5s
BIN         := bin

.PHONY: run build test check race fuzz bench generate clean

run: build
	$(BIN)/sluice demo

build:
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o $(BIN)/sluice ./cmd/sluice

# Everything that must hold before a change is sent.
test: check race fuzz

check: build
	@unformatted=$$(gofmt -l cmd internal test); test -z "$$unformatted" || { echo "not gofmt-ed: $$unformatted"; exit 1; }
	go vet ./...
	GOBIN=$(CURDIR)/$(BIN) go install $(STATICCHECK)
	$(BIN)/staticcheck ./...

# The plain run asserts allocation budgets, the other one looks for races.
race:
	go test ./...
	go test -race ./...

# A short run of every fuzz target. Findings land in testdata/fuzz.
fuzz:
	@set -e; for pkg in $$(go list ./...); do \
		dir=$$(go list -f '{{.Dir}}' $$pkg); \
		for target in $$(grep -hos '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | sed 's/func //'); do \
			echo "fuzz $$pkg $$target"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$pkg; \
		done; \
	done

bench:
	go test -run '^$$' -bench . -benchmem ./internal/...

# Rewrites what is generated from the option types; a test fails while it is
# out of date.
generate:
	go test ./internal/manual -update

clean:
	rm -rf $(BIN)
