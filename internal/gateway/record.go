package gateway

import (
	"sync"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
)

// A Record is everything that happened to an exchange, for somebody who looks: an
// explanation of a request, or a trace with details. An exchange and the calls that are
// made for it share one, shadows included, which may outlive the exchange. Exchanges that
// nobody looks at have none, and pay nothing for it.
type Record struct {
	began time.Time

	mu      sync.Mutex
	spans   []Span
	members []Member
	index   map[string]int // of members, by name
}

// A Span is a step on its way in or out, or what a plan runs around.
type Span struct {
	Plan  string // such as "service" or "endpoint /users/{id}"; method and URL of a call by HTTP
	Step  string // namespace, or name of the core
	Phase string // "" for what a plan runs around
	Place string // where it was configured; "" for the core
	Out   bool   // the way out

	Began time.Duration // since the record began
	Took  time.Duration // all of it, for what a plan runs around: the steps within too

	Before, After body.Form // of the request's body on the way in, of the answer's on the way out
	Status        int       // of the answer, behind it
	Replied       bool      // the way in ended here
	Err           error     // what came of it; nil if all is well

	// Call is where the time of a call by HTTP goes; it goes on behind the span, while the
	// body is read. It is nil for all else.
	Call *Timing
}

// A Member is a member of a merged answer and the call that it came from.
type Member struct {
	Name string
	From string // title of the plan of the call
}

// NewRecord returns a record that begins now.
func NewRecord() *Record { return &Record{began: time.Now()} }

// Since returns the time since the record began.
func (r *Record) Since() time.Duration { return time.Since(r.began) }

// Add adds what happened. It is safe for concurrent use, as all methods are.
func (r *Record) Add(s Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = append(r.spans, s)
}

// Merged notes that a member of the answer came from a call, in place of what had the
// name before.
func (r *Record) Merged(name, from string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i, known := r.index[name]; known {
		r.members[i].From = from
		return
	}
	if r.index == nil {
		r.index = make(map[string]int)
	}
	r.index[name] = len(r.members)
	r.members = append(r.members, Member{name, from})
}

// Spans returns what has happened, in the order in which it ended.
func (r *Record) Spans() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Span(nil), r.spans...)
}

// Members returns where the members of the answer came from, in their order.
func (r *Record) Members() []Member {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Member(nil), r.members...)
}
