package reliability

import (
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

var (
	soakSize = flag.Int("soak", 0, "how many requests TestSoak sends on each engine; 0 for a few")
	soakSeed = flag.Uint64("soakseed", 1, "what TestSoak mixes its requests by")
)

// A soak is three gateways between clients and backends of every kind.
type soak struct {
	engine              string
	calm, secure, hasty *running
	http1, http2        *http.Client
	trust               *tls.Config // of clients of the secure one

	deck  []*kind // every kind as often as it weighs
	free  chan *soaker
	peers []*peer

	mu        sync.Mutex
	outcomes  map[*kind]map[string]int
	complaint string // of a backend, the first
}

// doors are the endpoints. Those called late give up after 50 ms, whatever the
// backend is busy with; the others never need to. Backend $1 and $2 keep their
// connections, $3 closes them after three answers, and $4 sends more than was
// asked for.
func doors() string {
	const noop = `"output_encoding":"no-op",`
	backend := func(do, part, host string) string {
		return `{"url_pattern":"/{id}/` + do + `/{size}/{sent}/` + part + `","host":["` + host + `"]}`
	}
	door := func(name, more string, backends ...string) string {
		return `{"endpoint":"/` + name + `/{id}/{do}/{size}/{sent}",` + more + `"backend":[` + strings.Join(backends, ",") + `]}`
	}
	post := func(door string) string { return strings.Replace(door, `",`, `","method":"POST",`, 1) }
	const late = `"timeout":"50ms",`
	raw, one := door("raw", noop, backend("{do}", "r", "$1")), door("one", "", backend("{do}", "0", "$1"))
	leaving, lateRaw := door("leaving", noop, backend("{do}", "r", "$3")), door("lateraw", noop+late, backend("{do}", "r", "$1"))
	return strings.Join([]string{
		raw, post(raw), one, post(one), leaving, post(leaving), lateRaw, post(lateRaw),
		door("two", "", backend("answer", "0", "$1"), backend("{do}", "1", "$2")),
		door("four", "", backend("answer", "0", "$1"), backend("answer", "1", "$2"), backend("answer", "2", `$1","$2`), backend("{do}", "3", "$2")),
		door("cut", "", strings.TrimSuffix(backend("{do}", "0", "$1"), "}")+`,"allow":["k0.id","k0.n"]}`),
		door("all", "", backend("{do}", "0", "$1"), backend("{do}", "1", "$2"), backend("{do}", "2", "$1")),
		door("latetwo", late, backend("answer", "0", "$1"), backend("{do}", "1", "$2")),
		door("leavingtwo", "", backend("{do}", "0", "$3"), backend("{do}", "1", "$3")),
		door("headed", noop, strings.Replace(backend("{do}", "r", "$1"), "{", `{"method":"HEAD",`, 1)),
		door("evil", noop, backend("{do}", "r", "$4")),
		door("evilone", "", backend("{do}", "0", "$4")),
	}, ",")
}

// newSoak starts gateways, backends and clients.
func newSoak(t *testing.T, engine string, clients int) *soak {
	s := &soak{engine: engine, free: make(chan *soaker, clients), outcomes: make(map[*kind]map[string]int)}
	for i := range kinds {
		k := &kinds[i]
		s.deck = append(s.deck, slices.Repeat([]*kind{k}, k.weight)...)
		s.outcomes[k] = make(map[string]int)
	}
	var urls []string
	for _, leaves := range []int{0, 0, 3, 0} {
		b := &soakBackend{leaves: leaves, complain: s.complain}
		p := newPeer(t, b.serve)
		s.peers, urls = append(s.peers, p), append(urls, p.url())
	}
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	log.SetOutput(io.Discard) // net/http complains of backends that send more
	ca := newAuthority(t, "authority")
	s.trust = &tls.Config{RootCAs: pool(ca), ServerName: "gateway.test", NextProtos: []string{"http/1.1"}}
	text := fill(`{`+quiet+`"dialect":"sluice","engine":"`+engine+`","timeout":"60s",$5"endpoints":[`+doors()+`]}`, urls...)
	gateway := func(keys string) *running { return start(t, strings.Replace(text, "$5", keys, 1)) }
	s.calm = gateway("")
	s.secure = gateway(`"tls":{"keys":[` + ca.sign("server", "gateway.test").serverPair() + `]},`)
	s.hasty = gateway(fmt.Sprintf(`"read_header_timeout":"%s","read_timeout":"%[1]s","idle_timeout":"%[1]s","write_timeout":"%s",`, patience, 2*patience))
	s.http1 = newClient(t)
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: pool(ca), ServerName: "gateway.test"}}
	s.http2 = &http.Client{Transport: transport}
	t.Cleanup(transport.CloseIdleConnections)
	for range clients {
		w := &soaker{s: s}
		w.rng = rand.New(&w.source)
		s.free <- w
	}
	t.Cleanup(func() {
		for range clients {
			(<-s.free).drop()
		}
	})
	return s
}

// complain keeps the first complaint of the backends.
func (s *soak) complain(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.complaint == "" {
		s.complaint = text
	}
}

// request makes request number i, of the kind k or of any if that is nil, and
// returns what is wrong with what became of it. What the request is, and what
// its client does about it, follows from i and the seed.
func (s *soak) request(i int, k *kind) string {
	w := <-s.free
	defer func() { s.free <- w }()
	w.source.Seed(*soakSeed, uint64(i))
	if k == nil {
		k = s.deck[w.rng.IntN(len(s.deck))]
	}
	got := k.run(w, uint64(i))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes[k][got]++
	if !slices.Contains(k.allowed, got) && !(s.engine == nethttp.Engine.Name && slices.Contains(k.lax, got)) {
		return fmt.Sprintf("request %d, %s: %s, want one of %q", i, k.name, got, k.allowed)
	}
	return s.complaint
}

// report says how often what became of requests, and returns those kinds whose
// requests never became what they should.
func (s *soak) report(t *testing.T) (unseen []string) {
	for i := range kinds {
		k := &kinds[i]
		t.Logf("%-48s %v", k.name, s.outcomes[k])
		if s.outcomes[k][k.allowed[0]] == 0 {
			unseen = append(unseen, k.name)
		}
	}
	return unseen
}

// A level is what a process holds.
type level struct {
	goroutines, descriptors int
	heap                    uint64 // bytes in use after a collection
}

// measure returns the level once what was begun has come to its end: once the
// number of goroutines stays. Descriptors are counted before the collection,
// which would close those that nobody closed.
func measure() level {
	end := time.Now().Add(soon)
	for n, same := 0, 0; same < 20 && time.Now().Before(end); same++ {
		if now := runtime.NumGoroutine(); now != n {
			n, same = now, 0
		}
		time.Sleep(10 * time.Millisecond)
	}
	l := level{goroutines: runtime.NumGoroutine(), descriptors: descriptors()}
	for range 3 {
		runtime.GC() // pools are empty after two
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	l.heap = m.HeapAlloc
	return l
}

// descriptors returns how many files and sockets are open, 0 where the system
// does not tell.
func descriptors() int {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(files)
}

// TestSoak mixes requests of all kinds, good ones with everything that clients
// and backends do wrong. Each request has a mark that its answer must show, and
// its backend finds in the body, so that no byte of another one goes unseen. At
// the end nothing is left: no goroutine, connection, descriptor or memory.
func TestSoak(t *testing.T) {
	for _, engine := range soakedEngines() {
		t.Run(engine, func(t *testing.T) { soakEngine(t, engine) })
	}
}

// soakedEngines are the one that was asked for, or all.
func soakedEngines() (names []string) {
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "engine" })
	for _, e := range engines() {
		names = append(names, e.Name)
	}
	if asked {
		return names[:1]
	}
	return names
}

const (
	soakRounds  = 5
	soakClients = 48
)

func soakEngine(t *testing.T, engine string) {
	noLeaks(t)
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close() // the poller has descriptors of its own from here on
	}
	before := descriptors()
	t.Cleanup(func() {
		for end := time.Now().Add(soon); descriptors() > before && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
		if after := descriptors(); after > before {
			t.Errorf("%d descriptors are open, %d before", after, before)
		}
	})
	s := newSoak(t, engine, soakClients)
	requests := *soakSize
	switch {
	case requests > 0:
	case testing.Short():
		requests = 2_000
	case testx.Race:
		requests = 2_500
	default:
		requests = 8_000
	}
	began := time.Now()
	var early, last level
	for round := range soakRounds {
		first := round * requests / soakRounds
		n := (round+1)*requests/soakRounds - first
		if complaint := load(n, soakClients, func(i int) string { return s.request(first+i, nil) }); complaint != "" {
			t.Fatal(complaint)
		}
		last = measure()
		if round == 1 {
			early = last
		}
		t.Logf("%8d requests in %6.1f s: %d goroutines, %d descriptors, %d KB in use", first+n, time.Since(began).Seconds(), last.goroutines, last.descriptors, last.heap>>10)
	}
	if unseen := s.report(t); requests >= 8_000 && engine == fast.Engine.Name && len(unseen) > 0 {
		t.Errorf("never as it should be: %q", unseen)
	}
	if grown := int64(last.heap) - int64(early.heap); grown > 4<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	const more = 4 * soakClients // connections may be kept or not
	if last.goroutines > early.goroutines+more || last.descriptors > early.descriptors+more {
		t.Errorf("%d goroutines and %d descriptors became %d and %d", early.goroutines, early.descriptors, last.goroutines, last.descriptors)
	}
}

// TestPools shows that what is taken from a pool goes back to it, and that
// connections are closed by those that have them. Where nothing is collected, a
// pool makes as much as is in use at the same time, however many requests there
// are: with 28 more of each kind it makes hardly more. A kind that loses
// something makes the pool make 28 more, and one that loses a connection leaves
// 56 more descriptors. And when all is quiet, nothing from a pool is in use.
func TestPools(t *testing.T) {
	if testx.Race || testing.Short() {
		t.Skip("under the race detector pools lose some of what they are given")
	}
	noLeaks(t)
	defer func(rate int) { runtime.MemProfileRate = rate }(runtime.MemProfileRate)
	runtime.MemProfileRate = 1
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	s := newSoak(t, engines()[0].Name, 12)
	total := 0
	each := func(repeat int) (map[string]pooled, int) {
		deck := make([]*kind, 0, repeat*len(kinds))
		for i := range repeat * len(kinds) {
			deck = append(deck, &kinds[i%len(kinds)])
		}
		rand.New(rand.NewPCG(*soakSeed, 0)).Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		complaint := load(len(deck), cap(s.free), func(i int) string { return s.request(total+i, deck[i-1]) })
		if complaint != "" {
			t.Fatal(complaint)
		}
		total += len(deck)
		open := measure().descriptors
		return pools(), open
	}
	const few, many = 8, 36
	warm, _ := each(1)
	before, openBefore := each(few)
	after, open := each(many)
	if t.Logf("%d descriptors, then %d", openBefore, open); open > openBefore+(many-few)*3/2 {
		t.Errorf("%d descriptors are open after %d requests of each kind, %d after %d", openBefore, few, open, many)
	}
	for name, p := range after {
		byFew, byMany := before[name].made-warm[name].made, p.made-before[name].made
		t.Logf("%-70s made %4d, then %4d; in use %d", name, byFew, byMany, p.used)
		if byMany > byFew+(many-few)*4/5 {
			t.Errorf("%s: %d were made for %d requests of each kind, %d for %d", name, byFew, few, byMany, many)
		}
		if p.used > 0 {
			t.Errorf("%s: %d are in use by nobody", name, p.used)
		}
	}
	if len(after) == 0 {
		t.Error("there are no pools, so this test shows nothing")
	}
}

// A pooled is what a pool has made so far, and what of that is in use.
type pooled struct{ made, used int64 }

// pools returns what the pools of ours have made, by the name of what makes it.
// It is that of the last collection.
func pools() map[string]pooled {
	n, _ := runtime.MemProfile(nil, true)
	records := make([]runtime.MemProfileRecord, n+1000)
	n, _ = runtime.MemProfile(records, true)
	all := make(map[string]pooled)
	for _, r := range records[:n] {
		maker := ""
		for frames := runtime.CallersFrames(r.Stack()); ; {
			f, more := frames.Next()
			if f.Function == "sync.(*Pool).Get" {
				if strings.Contains(maker, "/sluice/internal/") {
					p := all[maker]
					all[maker] = pooled{p.made + r.AllocObjects, p.used + r.InUseObjects()}
				}
				break
			}
			if maker = f.Function; !more {
				break
			}
		}
	}
	return all
}
