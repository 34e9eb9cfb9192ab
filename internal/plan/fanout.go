package plan

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
	"github.com/sluice-gateway/sluice/internal/kit/change"
	"github.com/sluice-gateway/sluice/internal/template"
)

// A branch is one backend of an endpoint: its plan, or the race that runs it.
type branch struct {
	run     gateway.Connector
	title   *title // of its plan
	decodes bool   // the answer has members
	limit   int64  // bytes of an answer that is held; 0 is no limit
}

// newCall returns the exchange of a call with its request: what the endpoint
// selected, in memory of its own, and a body of its own.
func newCall(x *gateway.Exchange, payload body.Body) *gateway.Exchange {
	c := x.Child()
	c.Request.Query = append(c.Request.Query, x.Request.Query...)
	c.Request.Pairs = append(c.Request.Pairs, x.Request.Pairs...)
	c.Request.Header = append(c.Request.Header, x.Request.Header...)
	c.Request.Body = payload
	c.Request.Upgrade, c.Request.Contested = x.Request.Upgrade, x.Request.Contested
	return c
}

// single is the tail of an endpoint with one backend: it runs on the caller's
// goroutine, and the client's body is passed on as it comes.
type single struct {
	branch
	copies  bool  // the body is needed more than once
	through bool  // the answer is passed on as it comes
	limit   int64 // of the client's body, when it is read
	shadows *shadows
}

// Do runs the call and hands its answer up.
func (s *single) Do(ctx context.Context, x *gateway.Exchange) error {
	if s.copies {
		if err := buffer(ctx, &x.Request.Body, s.limit); err != nil {
			return err
		}
	}
	if err := s.shadows.start(ctx, x); err != nil {
		return err
	}
	payload := x.Request.Body
	x.Request.Body = body.Body{}
	c := newCall(x, payload)
	c.Request.Through = s.through
	err := s.run.Do(ctx, c)
	if err != nil {
		passFace(x, c, err)
		return err
	}
	s.note(x, &c.Response.Body)
	if !s.through {
		c.Response.Trailer = nil
	}
	if s.decodes { // what the backend has said of its bytes is not said of the data
		c.Response.Status, c.Response.Header = 0, c.Response.Header[:0]
	}
	x.Response.Take(&c.Response)
	return nil
}

// passFace hands up the content type of a failure that carries the status and
// the words of the backend.
func passFace(x, c *gateway.Exchange, err error) {
	if e := gateway.AsError(err); e.Status != 0 {
		if t := c.Response.Header.Get(contentType); t != "" {
			x.Response.Header.Set(contentType, t)
		}
	}
}

// empty is the tail of an endpoint whose one backend is not decoded although
// its output is: there is an answer, and it has no members.
type empty struct{ single }

// Do runs the call and answers with an empty object.
func (e *empty) Do(ctx context.Context, x *gateway.Exchange) error {
	err := e.single.Do(ctx, x)
	if err == nil {
		x.Response.Body.Close()
		x.Response.Body, _ = body.NewObject()
		x.Response.Status, x.Response.Header = 0, x.Response.Header[:0]
	}
	return err
}

// parallel is the tail of an endpoint with several backends that are called at
// once. Their answers are merged in the order of declaration.
type parallel struct {
	branches []branch
	limit    int64
	deadline time.Duration // of all calls together; 0 for that of the endpoint
	shadows  *shadows
}

// Do calls every backend and waits for all of them.
func (p *parallel) Do(ctx context.Context, x *gateway.Exchange) error {
	if err := buffer(ctx, &x.Request.Body, p.limit); err != nil {
		return err
	}
	if err := p.shadows.start(ctx, x); err != nil {
		return err
	}
	all := newCollection(within(ctx, x, p.deadline))
	defer all.release()
	for i := range p.branches {
		payload, err := x.Request.Body.Share(0)
		if err != nil {
			return gateway.BodyError(err)
		}
		all.add(call{branch: &p.branches[i], x: newCall(x, payload)})
	}
	all.run()
	return join(x, all.calls)
}

// A call is one run of a branch.
type call struct {
	branch *branch
	x      *gateway.Exchange
	err    error
	begun  gateway.Pending // nil if nothing was done of it
	sent   bool            // what is left waits for the answer only
}

// begin does what of the call waits for nobody, and reports whether nothing is
// left to wait for but the answer. finish must be called in either case.
func (c *call) begin(ctx context.Context) bool {
	c.begun, c.sent = begin(ctx, c.branch.run, c.x)
	return c.sent
}

// finish makes or completes the call.
func (c *call) finish(ctx context.Context) {
	c.err = finish(ctx, c.branch.run, c.x, c.begun)
	c.begun = nil
}

// failed reports whether the call failed, also if its failure comes as data:
// then the answer has members and is not complete.
func (c *call) failed() bool {
	r := &c.x.Response
	return c.err != nil || c.branch.decodes && !r.Complete && r.Body.Len() > 0
}

// join merges the answers that came, in order; later members replace earlier
// ones of the same name. It fails only if no answer came.
func join(x *gateway.Exchange, calls []call) error {
	whole, failed, final, first := true, false, false, -1
	var missing error
	for i := range calls {
		c := &calls[i]
		if c.err != nil {
			whole, failed, missing = false, true, errors.Join(missing, c.err)
			continue
		}
		r := &c.x.Response
		whole, failed, final = whole && r.Complete, failed || r.Failed, final || r.Final
		if r.Missing != nil {
			missing = errors.Join(missing, r.Missing)
		}
		if first < 0 {
			first = i
		}
	}
	if first < 0 {
		return allFailed(calls)
	}
	result, members := body.NewObject()
	for i := range calls {
		c := &calls[i]
		if c.err != nil || !c.branch.decodes {
			continue
		}
		c.branch.note(x, &c.x.Response.Body)
		if err := mergeInto(members, c.x); err != nil {
			result.Close()
			return &gateway.Error{Code: gateway.CodeInternal, Err: err}
		}
	}
	r := &x.Response
	r.Body, r.Complete, r.Final, r.Failed, r.Missing = result, whole, final, failed, missing
	return nil
}

func mergeInto(members *jsonspan.Object, x *gateway.Exchange) error {
	o, err := x.Response.Body.Object()
	if err != nil {
		return err
	}
	members.Merge(o)
	return nil
}

// allFailed is the failure of an endpoint none of whose backends answered: the
// cause of the first, the texts of all.
func allFailed(calls []call) error {
	if len(calls) == 1 {
		return calls[0].err
	}
	first := gateway.AsError(calls[0].err)
	all := &gateway.Error{Class: first.Class, Code: first.Code}
	var texts []string
	var errs []error
	for i := range calls {
		if e := gateway.AsError(calls[i].err); e.Public != "" {
			texts = append(texts, e.Public)
		}
		errs = append(errs, calls[i].err)
	}
	if gateway.ClassOf(first) == gateway.Bad {
		all.Status = first.Status // the client's fault, whatever the backends are
	}
	all.Public, all.Err = strings.Join(texts, "\n"), errors.Join(errs...)
	return all
}

// sequence is the tail of an endpoint whose backends are called one after the
// other: each may use the answers of those before it.
type sequence struct {
	branches  []branch
	propagate []propagated
	limit     int64
	deadline  time.Duration
	shadows   *shadows
}

// propagated is a value of an earlier answer that later stages see as a
// parameter.
type propagated struct {
	index int
	path  []string // nil for the whole payload
}

// Do calls the backends in order until one fails or answers with an error.
func (s *sequence) Do(ctx context.Context, x *gateway.Exchange) error {
	if err := buffer(ctx, &x.Request.Body, s.limit); err != nil {
		return err
	}
	if err := s.shadows.start(ctx, x); err != nil {
		return err
	}
	ctx = within(ctx, x, s.deadline)
	var room [8]call
	calls := room[:0]
	results := make([]gateway.Result, 0, len(s.branches))
	for i := range s.branches {
		payload, err := x.Request.Body.Share(0)
		if err != nil {
			return gateway.BodyError(err)
		}
		c := call{branch: &s.branches[i], x: newCall(x, payload)}
		c.x.Results = results
		c.x.Params = s.params(x.Params, results)
		c.finish(ctx)
		s.hold(i, &c)
		calls = append(calls, c)
		if c.failed() {
			break
		}
		results = append(results, gateway.Result{Body: &c.x.Response.Body})
	}
	if err := calls[0].err; err != nil {
		passFace(x, calls[0].x, err)
		return err
	}
	if err := join(x, calls); err != nil {
		return err
	}
	x.Response.Complete = x.Response.Complete && len(calls) == len(s.branches)
	return nil
}

// hold reads the answer of call i into memory, if all of it is propagated.
func (s *sequence) hold(i int, c *call) {
	whole := func(p propagated) bool { return p.index == i && p.path == nil }
	if c.err != nil || !slices.ContainsFunc(s.propagate, whole) {
		return
	}
	if _, err := c.x.Response.Body.Bytes(s.branches[i].limit); err != nil {
		c.err = answerError(err)
	}
}

// params returns the parameters of the path followed by the propagated values.
// A value that no answer holds is empty.
func (s *sequence) params(path []string, results []gateway.Result) []string {
	if len(s.propagate) == 0 {
		return path
	}
	all := append(make([]string, 0, len(path)+len(s.propagate)), path...)
	for _, p := range s.propagate {
		var text string
		if p.index < len(results) {
			if p.path != nil {
				text, _ = template.ResultText(results, p.index, p.path)
			} else if raw, err := results[p.index].Body.Bytes(0); err == nil { // it was read by hold
				text = string(raw)
			}
		}
		all = append(all, text)
	}
	return all
}

// race is the connector of concurrent calls: it runs a plan several times at
// once and takes the first good answer.
type race struct {
	plan     gateway.Connector
	calls    int
	deadline time.Duration // 0 for that of the endpoint
}

// Do starts all calls, takes the first complete answer and ends the others.
// The winner lives on: its body may still stream.
func (r *race) Do(ctx context.Context, x *gateway.Exchange) error {
	if err := buffer(ctx, &x.Request.Body, 0); err != nil {
		return err
	}
	ctx = within(ctx, x, r.deadline)
	runners := make([]runner, r.calls)
	done := make(chan *runner, r.calls)
	for i := range runners {
		payload, err := x.Request.Body.Share(0)
		if err != nil {
			return gateway.BodyError(err)
		}
		run := &runners[i]
		run.branch = &branch{run: r.plan}
		run.x = newCall(x, payload)
		run.x.Request.Contested = true
		run.ctx, run.cancel = context.WithCancel(ctx)
		x.OnRelease(run.cancel)
	}
	for i := range runners {
		runners[i].begin(runners[i].ctx) // before an answer can end the others
	}
	for i := range runners {
		go func() {
			runners[i].finish(runners[i].ctx)
			done <- &runners[i]
		}()
	}
	var winner, details, failed *runner
	for range runners {
		run := <-done
		switch {
		case winner != nil:
		case run.err == nil && run.x.Response.Complete:
			winner = run
			for i := range runners {
				if &runners[i] != run {
					runners[i].cancel()
				}
			}
		case run.err == nil:
			details = run
		case failed == nil || !errors.Is(run.err, context.Canceled):
			failed = run
		}
	}
	if winner == nil {
		winner = details
	}
	if winner == nil {
		passFace(x, failed.x, failed.err)
		return failed.err
	}
	x.Response.Take(&winner.x.Response)
	return nil
}

type runner struct {
	call
	ctx    context.Context
	cancel context.CancelFunc
}

// shadows are backends whose answers nobody waits for.
type shadows struct {
	plans []shadowPlan
	wg    *sync.WaitGroup // of the generation, which outlives the calls
	limit int64
}

type shadowPlan struct {
	run     gateway.Connector
	timeout time.Duration
	crowd   *crowd
	most    int64 // that run at once
	log     *component.Log
	clock   component.Clock
	place   string // the backend, for the log
}

// A crowd is the calls of one shadow, over reloads: nobody waits for them, so nothing
// else keeps them from piling up when their backend is slow.
type crowd struct {
	running atomic.Int64
	left    atomic.Int64 // how many were left out since that was said
	began   time.Time
	said    change.State // bad while calls were said to be left out
}

// join counts a call in and reports whether it may be made. That calls are left out,
// and that they are made again, is one line each.
func (p *shadowPlan) join() bool {
	c := p.crowd
	since := func() time.Duration { return p.clock().Sub(c.began) }
	n := c.running.Add(1)
	if n > p.most {
		c.running.Add(-1)
		c.left.Add(1)
		if c.said.Is(true, since) {
			p.log.Logger().Warn("shadow calls are left out, too many run at once", "place", p.place, "running", p.most)
		}
		return false
	}
	if c.said.Bad() && n <= max(1, p.most/2) && c.said.Is(false, since) {
		p.log.Logger().Info("shadow calls are made again", "place", p.place, "left_out", c.left.Swap(0))
	}
	return true
}

// start sends a copy of the request to every shadow that has not too many calls under
// way. The calls go on when the client has been answered; each ends by its own
// deadline. The error is that of reading the client's body, which nobody gets then.
func (s *shadows) start(ctx context.Context, x *gateway.Exchange) error {
	if s == nil {
		return nil
	}
	var room [8]*shadowPlan
	joined := room[:0]
	for i := range s.plans {
		if p := &s.plans[i]; p.join() {
			joined = append(joined, p)
		}
	}
	if len(joined) == 0 {
		return nil
	}
	payload, err := s.read(ctx, x)
	if err != nil {
		for _, p := range joined {
			p.crowd.running.Add(-1)
		}
		return err
	}
	for _, p := range joined {
		c := gateway.Detach(x)
		if len(payload) > 0 {
			c.Request.Body = body.FromBytes([]byte(string(payload)))
		}
		s.wg.Go(func() {
			defer p.crowd.running.Add(-1)
			ctx, cancel := context.WithTimeout(context.Background(), p.timeout)
			defer cancel()
			if err := p.run.Do(ctx, c); err == nil {
				drain(&c.Response.Body)
			}
			c.Release()
		})
	}
	return nil
}

// read returns the body of the client's request.
func (s *shadows) read(ctx context.Context, x *gateway.Exchange) ([]byte, error) {
	if err := buffer(ctx, &x.Request.Body, s.limit); err != nil {
		return nil, err
	}
	payload, err := x.Request.Body.Bytes(s.limit)
	if err != nil {
		return nil, gateway.BodyError(err)
	}
	return payload, nil
}

// drain reads what a shadow answers, so that its connection can be used again.
func drain(b *body.Body) {
	const enough = 1 << 20
	if b.Form() == body.Stream {
		b.Bytes(enough) // nobody waits for the answer, nor for its error
	}
}

// note tells who looks at x where the members of an answer of the branch come from, if
// that is the answer of the client and not one within it.
func (b *branch) note(x *gateway.Exchange, answer *body.Body) {
	if x.Record == nil || x.Parent != nil || b.title == nil || !b.decodes {
		return
	}
	o, err := answer.Object()
	if err != nil {
		return // for the merge to report
	}
	from := b.title.String()
	for i := range o.Members {
		x.Record.Merged(string(o.Members[i].Name), from)
	}
}
