package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	tests := []struct {
		text string
		want time.Duration
		err  string
	}{
		{"7 (nginx) S 1 7 7 0 -1 4194560 100 0 0 0 12 30 0 0 20 0", 420 * time.Millisecond, ""},
		{"7 (a) b (c) R 1 7 7 0 -1 4194560 100 0 0 0 1 0 0 0 20 0", 10 * time.Millisecond, ""},
		{"7 (x) S 1", 0, "too few fields"},
		{"", 0, "too few fields"},
		{"7 (x) S 1 7 7 0 -1 0 100 0 0 0 u 30 0 0", 0, "user time"},
		{"7 (x) S 1 7 7 0 -1 0 100 0 0 0 1 s 0 0", 0, "system time"},
	}
	for _, tt := range tests {
		got, err := parseStat(tt.text)
		if got != tt.want || (err == nil) != (tt.err == "") || (err != nil && !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("parseStat(%q) = %v, %v, want %v, %q", tt.text, got, err, tt.want, tt.err)
		}
	}
}

func TestFirstTwo(t *testing.T) {
	tests := []struct{ list, first, second string }{
		{"0-1", "0", "1"},
		{"2-7,9", "2", "3"},
		{"3,8-9", "3", "8"},
		{"5", "", ""},
		{"5-5", "", ""},
		{"", "", ""},
	}
	for _, tt := range tests {
		if first, second := firstTwo(tt.list); first != tt.first || second != tt.second {
			t.Errorf("firstTwo(%q) = %q, %q, want %q, %q", tt.list, first, second, tt.first, tt.second)
		}
	}
}

// TestTree runs a shell with a child: both are counted.
func TestTree(t *testing.T) {
	if _, err := os.Stat("/proc/self/statm"); err != nil {
		t.Skip("there is no /proc to read")
	}
	c, err := converse(program{name: "shell", argv: []string{"sh", "-c", "sleep 60 & echo ready; wait"}}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if line, err := c.hear(patience); line != "ready" || err != nil {
		t.Fatalf("heard %q, %v", line, err)
	}
	tree := c.tree()
	if len(tree) != 2 {
		t.Errorf("the tree is %v, want a shell and a child", tree)
	}
	if n, err := c.resident(); n <= 0 || err != nil {
		t.Errorf("resident memory %d, %v", n, err)
	}
	if _, err := c.cpu(); err != nil {
		t.Error(err)
	}
	c.stop()
	syscall.Kill(tree[1], syscall.SIGKILL) // the shell leaves its child alone
}
