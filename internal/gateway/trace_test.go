package gateway_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

var hex32 = regexp.MustCompile(`^[0-9a-f]{32}$`)

func TestID(t *testing.T) {
	const id, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	const good = "00-" + id + "-" + parent + "-01"
	tests := []struct {
		name   string
		lines  []string
		joined bool
		flags  string
	}{
		{"none", nil, false, "00"},
		{"valid", []string{good}, true, "01"},
		{"not sampled", []string{"00-" + id + "-" + parent + "-00"}, true, "00"},
		{"flags nobody knows yet", []string{"00-" + id + "-" + parent + "-ff"}, true, "ff"},
		{"a later version", []string{"01-" + id + "-" + parent + "-01-what-follows"}, true, "01"},
		{"a later version without more", []string{"cc-" + id + "-" + parent + "-01"}, true, "01"},
		{"a later version that goes on differently", []string{"01-" + id + "-" + parent + "-01.more"}, false, "00"},
		{"a version that there is not", []string{"ff-" + id + "-" + parent + "-01"}, false, "00"},
		{"more behind the first version", []string{good + "-00"}, false, "00"},
		{"capital letters", []string{strings.ToUpper(good)}, false, "00"},
		{"no trace", []string{"00-" + strings.Repeat("0", 32) + "-" + parent + "-01"}, false, "00"},
		{"no parent", []string{"00-" + id + "-" + strings.Repeat("0", 16) + "-01"}, false, "00"},
		{"no digit", []string{"00-" + strings.Replace(id, "0a", "0g", 1) + "-" + parent + "-01"}, false, "00"},
		{"short", []string{good[:54]}, false, "00"},
		{"empty", []string{""}, false, "00"},
		{"blanks", []string{strings.ReplaceAll(good, "-", " ")}, false, "00"},
		{"twice", []string{good, good}, false, "00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var header gateway.Fields
			for _, line := range tt.lines {
				header.Add("Traceparent", line)
			}
			x := testx.Request{Header: header}.Exchange(t)
			if got := x.ID(); got != "" {
				t.Errorf("an ID before there is one: %q", got)
			}
			x.Identify()
			got := x.ID()
			if !hex32.MatchString(got) || (got == id) != tt.joined {
				t.Errorf("got %q, joined: want %v", got, tt.joined)
			}
			call := x.Child().Child()
			if call.ID() != got {
				t.Errorf("the call has the ID %q, want that of its request, %q", call.ID(), got)
			}
			first, joined := call.AppendTraceparent(nil)
			second, _ := call.AppendTraceparent(nil)
			want := regexp.MustCompile("^00-" + got + "-[0-9a-f]{16}-" + tt.flags + "$")
			if !want.Match(first) || !want.Match(second) || joined != tt.joined {
				t.Errorf("traceparent %s and %s (joined %v), want %s", first, second, joined, want)
			}
			if string(first) == string(second) || strings.Contains(string(first), parent) {
				t.Errorf("traceparent %s and %s: each call has a parent of its own", first, second)
			}
			detached := gateway.Detach(x)
			defer detached.Release()
			if detached.ID() != got {
				t.Errorf("a copy that outlives the request has the ID %q, want %q", detached.ID(), got)
			}
		})
	}
}

func TestIDsDiffer(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		x := testx.Request{}.Exchange(t)
		x.Identify()
		seen[x.ID()] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d IDs for 1000 requests", len(seen))
	}
}

func TestIDBudget(t *testing.T) {
	x := testx.Request{}.Exchange(t)
	var room [32]byte
	if got := testing.AllocsPerRun(100, func() { x.Identify(); x.AppendID(room[:0]) }); got > 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

func BenchmarkID(b *testing.B) {
	x := testx.Request{Header: gateway.Fields{{Name: "Accept", Value: "*/*"}, {Name: "User-Agent", Value: "x"}}}.Exchange(b)
	b.ReportAllocs()
	for b.Loop() {
		x.Identify()
	}
}

// FuzzTraceparent checks that an ID is always a valid one, and that of the client
// only if all of its traceparent is.
func FuzzTraceparent(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Add("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more")
	f.Add("00-00000000000000000000000000000000-b7ad6b7169203331-01")
	f.Add("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01")
	valid := regexp.MustCompile(`^(00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}|[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-(?s:.*))?)$`)
	f.Fuzz(func(t *testing.T, text string) {
		x := testx.Request{Header: gateway.Fields{{Name: "Traceparent", Value: text}}}.Exchange(t)
		x.Identify()
		if !hex32.MatchString(x.ID()) || x.ID() == strings.Repeat("0", 32) {
			t.Fatalf("%q gives the ID %q", text, x.ID())
		}
		_, joined := x.AppendTraceparent(nil)
		want := valid.MatchString(text) && text[:2] != "ff" && (text[:2] != "00" || len(text) == 55) &&
			text[3:35] != strings.Repeat("0", 32) && text[36:52] != strings.Repeat("0", 16)
		if joined != want || joined && x.ID() != text[3:35] {
			t.Fatalf("%q gives the ID %q, joined %v, want %v", text, x.ID(), joined, want)
		}
	})
}
