package routing

import (
	"net/netip"
	"testing"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// FuzzClientIn checks that whoever stands in front of a chain changes nothing behind
// the first stranger from the right, and that what comes out reads as itself.
func FuzzClientIn(f *testing.F) {
	for _, seed := range []string{"192.0.2.1", "[2001:db8::1]:80", "[2001:db8::1]", "a, 10.0.0.1", "", ",", "[", "fe80::1%z", " 10.0.0.1 , x", "192.0.2.7, 10.1.1.1, 127.0.0.1"} {
		f.Add(seed)
	}
	var r Router
	f.Fuzz(func(t *testing.T, list string) {
		a, ok := r.ClientIn(gateway.Fields{{Value: list}})
		if !ok {
			return
		}
		if again, ok := r.ClientIn(gateway.Fields{{Value: a.String()}}); !ok || again != a {
			t.Errorf("%q holds %s, which reads as %s, %v", list, a, again, ok)
		}
		if longer, ok := r.ClientIn(gateway.Fields{{Value: "198.51.100.9, " + list}}); !r.Trusts(a) && (!ok || longer != a) {
			t.Errorf("%q holds %s, and %s, %v behind another", list, a, longer, ok)
		}
		if a.Is4In6() || a.Zone() != "" {
			t.Errorf("%q holds %s", list, a)
		}
	})
}

func TestTrusts(t *testing.T) {
	nobody := Router{TrustedProxies: []netip.Prefix{}}
	for address, want := range map[string]bool{"127.0.0.1": true, "10.1.1.1": true, "fd00::1": true, "169.254.1.1": true, "192.0.2.1": false, "2001:db8::1": false} {
		a := netip.MustParseAddr(address)
		if got := new(Router).Trusts(a); got != want {
			t.Errorf("%s is trusted without a list: %v, want %v", address, got, want)
		}
		if nobody.Trusts(a) {
			t.Errorf("%s is trusted by an empty list", address)
		}
	}
}
