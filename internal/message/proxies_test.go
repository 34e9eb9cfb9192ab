package message

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

func TestVouches(t *testing.T) {
	for _, names := range vouchers {
		for _, name := range names {
			if strings.HasSuffix(name, "-") {
				name += "Anything"
			}
			if name != gateway.Canonical(name) {
				t.Errorf("%s is not canonical", name)
			}
			for _, sign := range []string{"-", "_", "."} {
				other := gateway.Canonical(strings.ReplaceAll(name, "-", sign))
				if !vouches(other) {
					t.Errorf("%s does not vouch", other)
				}
				if n := testing.AllocsPerRun(10, func() { vouches(other) }); n != 0 {
					t.Errorf("%s: %v allocations, want 0", other, n)
				}
			}
		}
	}
	for _, name := range []string{"Accept", "Authorization", "Cookie", "X-Api-Key", "X-Request-Id", "X-Client-Id", "X-Client-Certain", "X-Remote", "Client-Id", "Cf-Ray", "~", "_Client-Ip", "x"} {
		if vouches(name) {
			t.Errorf("%s vouches", name)
		}
	}
}

// TestStrangers lets pass from strangers what they may say of themselves, and what is
// named.
func TestStrangers(t *testing.T) {
	sent := gateway.Fields{{Name: "Cf-Connecting-Ip", Value: "1"}, {Name: "Client_ip", Value: "2"}, {Name: "X-Ssl-Client-Verify", Value: "3"}, {Name: "X-Remote-User", Value: "4"}, {Name: "X-Real-Ip", Value: "5"}, {Name: "X-Api-Key", Value: "6"}}
	for _, tt := range []struct {
		peer string
		list []string
		want string // values
	}{
		{"192.0.2.1:1", []string{"*"}, "6"},
		{"10.0.0.1:1", []string{"*"}, "123456"},
		{"192.0.2.1:1", []string{"cf-connecting-ip", "X-Remote-User", "X-Real-Ip"}, "14"},
		{"10.0.0.1:1", []string{"cf-connecting-ip", "X-Remote-User", "X-Real-Ip"}, "145"},
	} {
		s := NewHeaderSelection(tt.list, "Sluice 0", &ClientAddress{}, false, false)
		x := testx.Request{Peer: tt.peer, Header: sent}.Exchange(t)
		x.Request.Header = nil // nothing is selected yet
		s.fill(x)
		got := ""
		for _, f := range x.Request.Header {
			if slices.Contains(sent, f) {
				got += f.Value
			}
		}
		if got != tt.want {
			t.Errorf("from %s, input_headers %q: %s pass, want %s", tt.peer, tt.list, got, tt.want)
		}
	}
}
