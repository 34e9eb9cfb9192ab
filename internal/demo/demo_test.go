package demo

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a shop until the test ends and returns the hosts that its
// configuration names, by path of the service.
func open(t *testing.T) map[string][]string {
	t.Helper()
	shop, err := Open(nethttp.NewServer, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shop.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	var c struct {
		Endpoints []struct {
			Backend []struct {
				URLPattern  string `json:"url_pattern"`
				Host        []string
				ExtraConfig map[string]struct{ Server string } `json:"extra_config"`
			}
		}
	}
	if err := json.Unmarshal(Configuration(8080, shop.Services()), &c); err != nil {
		t.Fatal(err)
	}
	hosts := make(map[string][]string)
	for _, e := range c.Endpoints {
		for _, b := range e.Backend {
			hosted, scheme := b.Host, "http://"
			for _, o := range b.ExtraConfig { // which says where the broker is
				hosted, scheme = []string{o.Server}, "nats://"
			}
			for _, h := range hosted {
				if !strings.HasPrefix(h, scheme+"127.0.0.1:") {
					t.Errorf("%s: the host %s was not filled in", b.URLPattern, h)
				}
				if path := b.URLPattern; !slices.Contains(hosts[path], h) {
					hosts[path] = append(hosts[path], h)
				}
			}
		}
	}
	return hosts
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(text) {
		t.Errorf("%s answers %s", url, text)
	}
	return res.StatusCode, string(text)
}

// TestShop asks every service what the gateway asks it.
func TestShop(t *testing.T) {
	hosts := open(t)
	tests := []struct {
		pattern, path string
		hosts         int
		want          string
	}{
		{"/products", "/products", 3, `"name":"Kettle","price":24.90`},
		{"/products/{id}", "/products/7", 3, `{"product":{"id":"7","name":"Kettle"`},
		{"/offers", "/offers", 1, `{"offers":[{"product":7,"price":19.90`},
		{"/users/{id}", "/users/3", 1, `{"id":"3","name":"Ada","email":"ada@example.com","account":"A-3"}`},
		{"/orders?account={resp0_account}", "/orders?account=A-3", 1, `[{"id":"O-1"`},
	}
	for _, tt := range tests {
		if got := len(hosts[tt.pattern]); got != tt.hosts {
			t.Errorf("%s: %d hosts, want %d", tt.pattern, got, tt.hosts)
			continue
		}
		if status, text := get(t, hosts[tt.pattern][0]+tt.path); status != 200 || !strings.Contains(text, tt.want) {
			t.Errorf("%s: %d %s, want %s", tt.path, status, text, tt.want)
		}
	}
	if status, _ := get(t, hosts["/offers"][0]+"/nothing"); status != 404 {
		t.Errorf("an unknown path: status %d", status)
	}
}

// TestProducts has one product host that is slow and one that fails now and
// then, in the order of the configuration.
func TestProducts(t *testing.T) {
	hosts := open(t)["/products"]
	const calls = 2 * failEvery
	for i, want := range []struct {
		name   string
		failed int
		slow   bool
	}{{"products-01", 0, false}, {"products-02", 0, true}, {"products-03", 2, false}} {
		failed := 0
		began := time.Now()
		for range calls {
			status, text := get(t, hosts[i]+"/products")
			if status == 500 {
				failed++
				continue
			}
			if !strings.HasPrefix(text, `{"served_by":"`+want.name+`"`) {
				t.Errorf("host %d answers %d %s", i, status, text)
			}
		}
		if failed != want.failed {
			t.Errorf("%s failed %d times of %d, want %d", want.name, failed, calls, want.failed)
		}
		if took := time.Since(began); want.slow && took < calls*slow {
			t.Errorf("%s took %v for %d calls, want %v for each", want.name, took, calls, slow)
		}
	}
}

// TestServices checks that services have ports of their own, beside any gateway.
func TestServices(t *testing.T) {
	for _, port := range []int{1, 80, 8080, 65_528, 65_529, 65_530, 65_535} {
		taken := map[string]bool{strconv.Itoa(port): true}
		for _, s := range Services(port) {
			own := s.Host[strings.LastIndexByte(s.Host, ':')+1:]
			n, err := strconv.Atoi(own)
			if err != nil || n < 1 || n > 65_535 || taken[own] {
				t.Errorf("port %d: %s listens on %s", port, s.Name, s.Host)
			}
			taken[own] = true
		}
	}
}
