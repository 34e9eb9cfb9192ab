package balance

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
)

// An SRV is one record of RFC 2782.
type SRV struct {
	Target                 string // with or without the dot at its end
	Port, Priority, Weight uint16
}

// A Resolver returns the SRV records of a full name, such as
// "_api._tcp.example.com". It may return records together with an error that
// concerns others.
type Resolver func(ctx context.Context, name string) ([]SRV, error)

// DNS returns a resolver that asks r, or net.DefaultResolver if r is nil.
func DNS(r *net.Resolver) Resolver {
	if r == nil {
		r = net.DefaultResolver
	}
	return func(ctx context.Context, name string) ([]SRV, error) {
		_, answers, err := r.LookupSRV(ctx, "", "", name)
		var records []SRV
		for _, a := range answers {
			records = append(records, SRV{a.Target, a.Port, a.Priority, a.Weight})
		}
		return records, err
	}
}

// Addresses returns scheme://target:port for the records of the lowest
// priority, each as often as its weight demands and sorted, so that the order
// of an answer does not matter. Records without a port, and targets that are
// neither a name nor an address, are left out; the single dot that says "no
// service" is among them.
func Addresses(scheme string, records []SRV) []string {
	type host struct {
		address string
		weight  uint16
	}
	var hosts []host
	lowest := uint16(0)
	for _, r := range records {
		target := strings.TrimSuffix(r.Target, ".")
		if r.Port == 0 || !validTarget(target) {
			continue
		}
		if len(hosts) > 0 && r.Priority > lowest {
			continue
		}
		if r.Priority < lowest {
			hosts = hosts[:0]
		}
		lowest = r.Priority
		address := scheme + "://" + net.JoinHostPort(target, strconv.Itoa(int(r.Port)))
		hosts = append(hosts, host{address, r.Weight})
	}
	slices.SortFunc(hosts, func(a, b host) int {
		return cmp.Or(strings.Compare(a.address, b.address), cmp.Compare(a.weight, b.weight))
	})
	weights := make([]int, len(hosts))
	for i, h := range hosts {
		weights[i] = int(h.weight)
	}
	var out []string
	for i, n := range shares(weights) {
		for range n {
			out = append(out, hosts[i].address)
		}
	}
	return out
}

// validTarget reports whether s may stand for a host in an address. Records
// come from outside, and a slash or an at sign would change where a call goes.
func validTarget(s string) bool {
	if net.ParseIP(s) != nil {
		return true
	}
	for _, c := range []byte(s) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}

// shares turns weights into how often each host is listed: exactly in
// proportion if that takes at most 100 entries, or as many as there are hosts
// when those are more. Otherwise shares are scaled to that many and rounded
// down, so hosts below one share get no turn; with more than 100 hosts they
// keep one. Weights that are all 0 count as equal.
//
// Compatibility: [25 10000 1000] gives [0 10 1].
func shares(weights []int) []int {
	const most = 100
	out := slices.Clone(weights)
	sum := 0
	for _, w := range weights {
		sum += w
	}
	if sum == 0 {
		for i := range out {
			out[i] = 1
		}
		return out
	}
	sum /= reduce(out)
	if limit := max(most, len(out)); sum > limit {
		for i, w := range out {
			out[i] = w * limit / sum
			if w > 0 && limit > most {
				out[i] = max(out[i], 1)
			}
		}
		reduce(out)
	}
	return out
}

// reduce divides numbers, which are not all 0, by their greatest common
// divisor and returns it.
func reduce(numbers []int) int {
	divisor := 0
	for _, n := range numbers {
		for n != 0 {
			divisor, n = n, divisor%n
		}
	}
	for i := range numbers {
		numbers[i] /= divisor
	}
	return divisor
}
