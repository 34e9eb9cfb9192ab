package gateway

import (
	"fmt"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	tests := []struct {
		lists    []string
		has, not string
	}{
		{nil, "", "X-A"},
		{[]string{""}, "", "X-A"},
		{[]string{" , ,,\t"}, "", "X-A"},
		{[]string{"close"}, "Close", "Clos"},
		{[]string{"X-A, x-b ,\tX-C"}, "X-A X-B X-C", "X-D X"},
		{[]string{"X-A", "", "x-b,"}, "X-A X-B", "X-C"},
		{[]string{"x-a", strings.Repeat("x-b, ", 20), "x-c"}, "X-A X-B X-C", "X-D"},
		{[]string{"a,b,c,d,e,f,g,h"}, "A H", "I"},
		{[]string{"a,b,c,d,e,f,g,h,i"}, "A H I", "J"},
		{[]string{"a b", "(x)"}, "", "A B"},
	}
	for _, tt := range tests {
		var s Names
		for _, list := range tt.lists {
			s.AddList(list)
		}
		for _, name := range strings.Fields(tt.has) {
			if !s.Has(name) {
				t.Errorf("%q has no %s", tt.lists, name)
			}
		}
		for _, name := range strings.Fields(tt.not) {
			if s.Has(name) {
				t.Errorf("%q has %s", tt.lists, name)
			}
		}
		if s.Empty() != (tt.has == "" && !strings.ContainsAny(strings.Join(tt.lists, ""), "abx")) {
			t.Errorf("%q is empty: %t", tt.lists, s.Empty())
		}
	}
}

// TestNamesMany: however many names there are, no more than a few are compared
// one by one.
func TestNamesMany(t *testing.T) {
	var s Names
	for i := range 10_000 {
		s.AddList(fmt.Sprintf("x-%d, X-%[1]d", i))
	}
	if len(s.many) != 10_000 || s.n > len(s.few) {
		t.Errorf("%d names are looked up, and %d may be compared", len(s.many), s.n)
	}
	if !s.Has("X-0") || !s.Has("X-9999") || s.Has("X-10000") {
		t.Error("a name is lost, or one too many")
	}
}

func TestNamesAllocations(t *testing.T) {
	const list = "keep-alive, X-A, x-b"
	if n := testing.AllocsPerRun(100, func() {
		var s Names
		s.AddList(list)
		if !s.Has("X-B") || s.Has("X-C") {
			t.Fatal("wrong")
		}
	}); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// TestWithheld asks for every field of the list, whose letters are looked at first, in
// the spellings that are alike.
func TestWithheld(t *testing.T) {
	for _, name := range []string{
		"Connection", "Content-Length", "Expect", "Host", "Keep-Alive", "Proxy", "Proxy-Authenticate",
		"Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	} {
		for _, sign := range []string{"-", "_", "."} {
			if other := Canonical(strings.ReplaceAll(name, "-", sign)); !Withheld(other) {
				t.Errorf("%s is not withheld", other)
			}
		}
	}
	for _, name := range []string{"", "Accept", "Content-Type", "Connections", "Te-", "Proxy-Status", "X-Host"} {
		if Withheld(name) {
			t.Errorf("%q is withheld", name)
		}
	}
	for _, name := range []string{"Content-Type", "Transfer_encoding", "X-Y"} {
		if n := testing.AllocsPerRun(10, func() { Withheld(name) }); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
}

func TestPerHop(t *testing.T) {
	for name, want := range map[string]bool{
		"Connection": true, "Keep-Alive": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
		"Proxy-Connection": true, "Proxy-Authenticate": true, "Proxy-Authorization": true, "Content-Length": true,
		"": false, "Content-Type": false, "Authorization": false, "Www-Authenticate": false, "Expect": false, "Host": false,
	} {
		if got := PerHop(name); got != want {
			t.Errorf("PerHop(%q) = %t, want %t", name, got, want)
		}
	}
}

func TestListed(t *testing.T) {
	for list, want := range map[string]bool{
		"a": true, " A\t": true, "b, a": true, "a,b": true, ",,a,": true, `"x", a`: true, `b;c="\\"", a`: false, `b;c="\"", a`: true,
		"": false, ",": false, "ab": false, "a b": false, `"a"`: false, `b;x=",a,"`: false, `b;x="\",a,"`: false, `b;x=", a`: false, `"\`: false,
	} {
		if got := Listed(list, "a"); got != want {
			t.Errorf("%q lists a: %t, want %t", list, got, want)
		}
	}
}
