package migrate

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/e2e"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/published"
)

// An Asking is a request that both gateways get, or the reason why they do not.
type Asking struct {
	Endpoint *model.Endpoint // that the path is of; nil for none
	Request  e2e.Request
	Not      string // why it is not made, "" if it is
}

// Generate returns a request for each endpoint, with 1 for every variable. Only those are made
// that change nothing, as far as the configuration tells.
func Generate(s *model.Service) []Asking {
	var all []Asking
	for _, e := range s.Endpoints {
		if e == nil || e.Node == nil {
			continue
		}
		path := variable.ReplaceAllString(e.Endpoint, "1")
		if rest, wild := strings.CutSuffix(path, "*"); wild {
			path = rest + "1"
		}
		asking := Asking{Endpoint: e, Request: e2e.Request{Method: string(e.Method), Target: (&url.URL{Path: path}).EscapedPath()}}
		switch {
		case e.Method != "GET":
			asking.Not = "it may change something; write a request into --requests FILE"
		case slices.ContainsFunc(e.Backend, changes):
			asking.Not = "its backends may change something; write a request into --requests FILE"
		}
		all = append(all, asking)
	}
	return all
}

// variable is one in the path of an endpoint.
var variable = regexp.MustCompile(`\{[^{}/]*\}`)

// changes reports whether a backend may change something: it has another method than those that
// read, or is called in another way than by HTTP.
func changes(b *model.Backend) bool {
	if b == nil || b.Node == nil {
		return false
	}
	if b.Method != "GET" && b.Method != "HEAD" {
		return true
	}
	extra := b.Node.GetFold("extra_config")
	return extra != nil && slices.ContainsFunc(extra.Members, func(m config.Member) bool {
		name := published.Current(m.Key)
		family, _, _ := strings.Cut(name, "/")
		return !m.Comment() && (family == "backend" && name != "backend/http" && name != "backend/http/client" || family == "workflow" || family == "plugin")
	})
}

// The lines of a file of requests.
var (
	requestLine = regexp.MustCompile(`^(?:([A-Z]+)[ \t]+)?((?:https?://[^/\s]+)?/\S*)(?:[ \t]+HTTP/[\d.]+)?$`)
	headerLine  = regexp.MustCompile(`^([!#$%&'*+.^_` + "`" + `|~0-9A-Za-z-]+):[ \t]*(.*)$`)
)

// ReadRequests reads the requests of a file in the form that editors have for them: a line with
// method and path, or an address, lines of the header, and behind an empty line the body, up to
// a line that begins with ###. A line with a path begins the next request where a header
// could stand, so that a list of paths is a file of requests, too. Lines that begin with # or //
// in front of a request are comments.
func ReadRequests(name string, text []byte) (all []e2e.Request, problems []*config.Problem) {
	const (
		outside = iota
		header
		body
	)
	state := outside
	var lines []string // of the body
	end := func() {
		if len(all) > 0 && lines != nil {
			all[len(all)-1].Body = strings.TrimRight(strings.Join(lines, "\n"), "\n")
		}
		lines, state = nil, outside
	}
	number := int32(0)
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimRight(line, "\r\n")
		trimmed := strings.TrimSpace(line)
		m := requestLine.FindStringSubmatch(trimmed)
		switch {
		case strings.HasPrefix(line, "###"):
			end()
		case state == body:
			lines = append(lines, line)
		case trimmed == "" && state == header:
			state, lines = body, []string{}
			if !acceptsBody(all[len(all)-1].Method) {
				end()
			}
		case trimmed == "", state == outside && (trimmed[0] == '#' || strings.HasPrefix(trimmed, "//")):
		case m != nil:
			end()
			method, target := m[1], m[2]
			if method == "" {
				method = "GET"
			}
			if _, rest, absolute := strings.Cut(target, "://"); absolute && target[0] != '/' {
				target = rest[strings.IndexByte(rest, '/'):]
			}
			target, _, _ = strings.Cut(target, "#")
			all, state = append(all, e2e.Request{Method: method, Target: target}), header
		case state == header && headerLine.MatchString(trimmed):
			h := headerLine.FindStringSubmatch(trimmed)
			q := &all[len(all)-1]
			if q.Header == nil {
				q.Header = make(map[string]string)
			}
			q.Header[h[1]] = h[2]
		default:
			problems = append(problems, &config.Problem{At: config.Pos{File: name, Line: number, Col: 1}, Code: config.CodeSyntax,
				Err: fmt.Errorf("%.60q is neither a request nor a line of its header; write a line such as GET /users/1", trimmed)})
		}
	}
	end()
	if len(all) == 0 && len(problems) == 0 {
		problems = append(problems, &config.Problem{At: config.Pos{File: name}, Code: config.CodeRequired,
			Err: errors.New("there is no request; write lines such as GET /users/1")})
	}
	return all, problems
}

// acceptsBody reports whether requests of a method have a body: behind others an empty line ends
// the request, and lists of paths may have some.
func acceptsBody(method string) bool {
	return method != "GET" && method != "HEAD" && method != "OPTIONS"
}

// EndpointOf returns the endpoint that a request is probably for, nil for none: the one whose
// path has the most in common.
func EndpointOf(s *model.Service, q e2e.Request) *model.Endpoint {
	path, _, _ := strings.Cut(q.Target, "?")
	if plain, err := url.PathUnescape(path); err == nil {
		path = plain
	}
	asked := strings.Split(strings.Trim(path, "/"), "/")
	method := q.Method
	if method == "HEAD" {
		method = "GET"
	}
	var best *model.Endpoint
	bestScore := -1
	for _, e := range s.Endpoints {
		if e == nil || e.Node == nil || string(e.Method) != method {
			continue
		}
		if score := fits(strings.Split(strings.Trim(e.Endpoint, "/"), "/"), asked); score > bestScore {
			best, bestScore = e, score
		}
	}
	return best
}

// fits returns how well a path fits a pattern: literal segments count more the further in front
// they are; -1 is not at all.
func fits(pattern, path []string) int {
	score := 0
	for i, p := range pattern {
		score *= 3
		switch {
		case p == "*" && i == len(pattern)-1:
			return score
		case i >= len(path):
			return -1
		case p == path[i]:
			score += 2
		case strings.Contains(p, "{"):
			score++
		default:
			return -1
		}
		score = min(score, 1<<40)
	}
	if len(path) > len(pattern) {
		return -1
	}
	return score
}
