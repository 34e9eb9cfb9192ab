// Package archtest enforces who may import whom. The rules are those of
// docs/architecture.md, section "Who may import whom"; the test reads the
// package graph and the sources and fails the build on a breach.
package archtest
