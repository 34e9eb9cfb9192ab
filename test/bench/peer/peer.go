package peer

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
)

// A Config is what the peer reads of a configuration.
type Config struct {
	Endpoints []Endpoint `json:"endpoints"`
}

// An Endpoint answers GET of its path.
type Endpoint struct {
	Path           string    `json:"endpoint"`
	OutputEncoding string    `json:"output_encoding"` // "no-op" has one backend and passes its answer on; otherwise "json"
	Backends       []Backend `json:"backend"`
}

// A Backend is one call of an endpoint.
type Backend struct {
	Path         string            `json:"url_pattern"` // may end with the parameter {id}
	Host         []string          `json:"host"`        // the first is called
	Encoding     string            `json:"encoding"`
	IsCollection bool              `json:"is_collection,omitempty"` // the answer is an array, and becomes the member "collection"
	Allow        []string          `json:"allow,omitempty"`         // dotted, two names at most
	Deny         []string          `json:"deny,omitempty"`          // dotted, two names at most
	Mapping      map[string]string `json:"mapping,omitempty"`
	Group        string            `json:"group,omitempty"`
}

// Handler serves the endpoints of c. It panics if a path is no pattern of
// [http.ServeMux].
func Handler(c Config) http.Handler {
	transport := &http.Transport{MaxIdleConnsPerHost: 2000}
	mux := http.NewServeMux()
	for _, e := range c.Endpoints {
		h := http.Handler(aggregate{e.Backends, &http.Client{Transport: transport}})
		if e.OutputEncoding == "no-op" {
			h = forward(e.Backends[0], transport)
		}
		mux.Handle("GET "+e.Path, h)
	}
	return mux
}

// address is where a call of b goes for the request r.
func address(b Backend, r *http.Request) string {
	return b.Host[0] + strings.Replace(b.Path, "{id}", url.PathEscape(r.PathValue("id")), 1)
}

// forward passes requests to b, and its answers back.
func forward(b Backend, transport http.RoundTripper) http.Handler {
	return &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			// An address that does not parse leaves a URL without host, which the transport refuses.
			if u, err := url.Parse(address(b, r.In)); err == nil {
				r.Out.URL = u
			}
			r.SetXForwarded()
		},
	}
}

// An aggregate joins the answers of its backends.
type aggregate struct {
	backends []Backend
	client   *http.Client
}

func (a aggregate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	type answer struct {
		members map[string]any
		err     error
	}
	answers := make([]chan answer, len(a.backends))
	for i, b := range a.backends {
		answers[i] = make(chan answer, 1)
		go func() {
			members, err := a.call(r, b)
			answers[i] <- answer{members, err}
		}()
	}
	merged := make(map[string]any)
	var failed error
	for _, c := range answers {
		got := <-c
		if got.err != nil {
			failed = got.err
		}
		maps.Copy(merged, got.members)
	}
	if failed != nil {
		http.Error(w, failed.Error(), http.StatusBadGateway)
		return
	}
	text, err := json.Marshal(merged)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.Write(text) // fails when the client is gone, and then nobody is left to tell
}

func (a aggregate) call(r *http.Request, b Backend) (map[string]any, error) {
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, address(b, r), nil)
	if err != nil {
		return nil, err
	}
	res, err := a.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", b.Path, res.Status)
	}
	d := json.NewDecoder(res.Body)
	d.UseNumber()
	if !b.IsCollection {
		var members map[string]any
		err = d.Decode(&members)
		return shape(members, b), err
	}
	var items []any
	err = d.Decode(&items)
	return shape(map[string]any{"collection": items}, b), err
}

// shape cuts, renames and groups the members of an answer, which may be
// changed.
func shape(members map[string]any, b Backend) map[string]any {
	if len(b.Allow) > 0 {
		members = allow(members, b.Allow)
	}
	for _, path := range b.Deny {
		outer, inner, nested := strings.Cut(path, ".")
		if !nested {
			delete(members, outer)
		} else if object, ok := members[outer].(map[string]any); ok {
			delete(object, inner)
		}
	}
	for from, to := range b.Mapping {
		if v, ok := members[from]; ok {
			delete(members, from)
			members[to] = v
		}
	}
	if b.Group != "" {
		return map[string]any{b.Group: members}
	}
	return members
}

func allow(members map[string]any, paths []string) map[string]any {
	kept := make(map[string]any)
	for _, path := range paths {
		outer, inner, nested := strings.Cut(path, ".")
		v, ok := members[outer]
		if !ok {
			continue
		}
		if !nested {
			kept[outer] = v
			continue
		}
		object, ok := v.(map[string]any)
		if !ok {
			continue
		}
		if v, ok = object[inner]; !ok {
			continue
		}
		if part, ok := kept[outer].(map[string]any); ok {
			part[inner] = v
		} else {
			kept[outer] = map[string]any{inner: v}
		}
	}
	return kept
}
