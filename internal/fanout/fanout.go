package fanout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
	"github.com/sluice-gateway/sluice/internal/kit/change"
	"github.com/sluice-gateway/sluice/internal/message"
	"github.com/sluice-gateway/sluice/internal/plan"
	"github.com/sluice-gateway/sluice/internal/template"
)

// A Branch is one backend of an endpoint: its plan, or the race that runs it.
type Branch struct {
	Run     gateway.Connector
	Title   *plan.Title // of its plan
	Decodes bool        // the answer has members
	Limit   int64       // bytes of an answer that is held; 0 is no limit
}

// NewCall returns the exchange of a call with its request: what the endpoint
// selected, in memory of its own, and a body of its own.
func NewCall(x *gateway.Exchange, payload body.Body) *gateway.Exchange {
	c := x.Child()
	c.Request.Query = append(c.Request.Query, x.Request.Query...)
	c.Request.Pairs = append(c.Request.Pairs, x.Request.Pairs...)
	c.Request.Header = append(c.Request.Header, x.Request.Header...)
	c.Request.Body = payload
	c.Request.Upgrade, c.Request.Contested = x.Request.Upgrade, x.Request.Contested
	return c
}

// Single is the tail of an endpoint with one backend: it runs on the caller's
// goroutine, and the client's body is passed on as it comes.
type Single struct {
	Branch
	Copies  bool  // the body is needed more than once
	Through bool  // the answer is passed on as it comes, unless something around x does more with it
	Limit   int64 // of the client's body, when it is read
	Shadows *Shadows
}

// Do runs the call and hands its answer up.
func (s *Single) Do(ctx context.Context, x *gateway.Exchange) error {
	if s.Copies {
		if err := message.Buffer(ctx, &x.Request.Body, s.Limit); err != nil {
			return err
		}
	}
	if err := s.Shadows.start(ctx, x); err != nil {
		return err
	}
	payload := x.Request.Body
	x.Request.Body = body.Body{}
	c := NewCall(x, payload)
	c.Request.Through = s.Through && (x.Parent == nil || x.Request.Through)
	err := s.Run.Do(ctx, c)
	if err != nil {
		PassFace(x, c, err)
		return err
	}
	s.note(x, &c.Response.Body)
	if !c.Request.Through {
		c.Response.Trailer = nil
	}
	if s.Decodes { // what the backend has said of its bytes is not said of the data
		c.Response.Status, c.Response.Header = 0, c.Response.Header[:0]
	}
	x.Response.Take(&c.Response)
	return nil
}

// PassFace hands up the content type of a failure that carries the status and
// the words of the backend.
func PassFace(x, c *gateway.Exchange, err error) {
	if e := gateway.AsError(err); e.Status != 0 {
		if t := c.Response.Header.Get(message.ContentType); t != "" {
			x.Response.Header.Set(message.ContentType, t)
		}
	}
}

// Empty is the tail of an endpoint whose one backend is not decoded although
// its output is: there is an answer, and it has no members.
type Empty struct{ Single }

// Do runs the call and answers with an empty object.
func (e *Empty) Do(ctx context.Context, x *gateway.Exchange) error {
	err := e.Single.Do(ctx, x)
	if err == nil {
		x.Response.Body.Close()
		x.Response.Body, _ = body.NewObject()
		x.Response.Status, x.Response.Header = 0, x.Response.Header[:0]
	}
	return err
}

// Parallel is the tail of an endpoint with several backends that are called at
// once. Their answers are merged in the order of declaration.
type Parallel struct {
	Branches []Branch
	Limit    int64
	Deadline time.Duration // of all calls together; 0 for that of the endpoint
	Shadows  *Shadows
}

// Do calls every backend and waits for all of them.
func (p *Parallel) Do(ctx context.Context, x *gateway.Exchange) error {
	if err := message.Buffer(ctx, &x.Request.Body, p.Limit); err != nil {
		return err
	}
	if err := p.Shadows.start(ctx, x); err != nil {
		return err
	}
	all := newCollection(plan.Within(ctx, x, p.Deadline))
	defer all.release()
	for i := range p.Branches {
		payload, err := x.Request.Body.Share(0)
		if err != nil {
			return gateway.BodyError(err)
		}
		all.add(call{branch: &p.Branches[i], x: NewCall(x, payload)})
	}
	all.run()
	return join(x, all.calls)
}

// A call is one run of a branch.
type call struct {
	branch *Branch
	x      *gateway.Exchange
	err    error
	begun  gateway.Pending // nil if nothing was done of it
	sent   bool            // what is left waits for the answer only
}

// begin does what of the call waits for nobody, and reports whether nothing is
// left to wait for but the answer. finish must be called in either case.
func (c *call) begin(ctx context.Context) bool {
	c.begun, c.sent = plan.Begin(ctx, c.branch.Run, c.x)
	return c.sent
}

// finish makes or completes the call.
func (c *call) finish(ctx context.Context) {
	c.err = plan.Finish(ctx, c.branch.Run, c.x, c.begun)
	c.begun = nil
}

// failed reports whether the call failed, also if its failure comes as data:
// then the answer has members and is not complete.
func (c *call) failed() bool {
	r := &c.x.Response
	return c.err != nil || c.branch.Decodes && !r.Complete && r.Body.Len() > 0
}

// join merges the answers that came, in order; later members replace earlier
// ones of the same name. It fails only if no answer came. The last receipt is that of the
// whole, if all of it came.
func join(x *gateway.Exchange, calls []call) error {
	whole, failed, final, first, receipt := true, false, false, -1, 0
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
		if r.Receipt != 0 {
			receipt = r.Receipt
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
		if c.err != nil || !c.branch.Decodes {
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
	if whole {
		r.Receipt = receipt
	}
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

// Sequence is the tail of an endpoint whose backends are called one after the
// other: each may use the answers of those before it.
type Sequence struct {
	Branches  []Branch
	Propagate []Propagated
	Limit     int64
	Deadline  time.Duration
	Shadows   *Shadows
}

// Propagated is a value of an earlier answer that later stages see as a
// parameter.
type Propagated struct {
	Index int
	Path  []string // nil for the whole payload
}

// Do calls the backends in order until one fails or answers with an error.
func (s *Sequence) Do(ctx context.Context, x *gateway.Exchange) error {
	if err := message.Buffer(ctx, &x.Request.Body, s.Limit); err != nil {
		return err
	}
	if err := s.Shadows.start(ctx, x); err != nil {
		return err
	}
	ctx = plan.Within(ctx, x, s.Deadline)
	var room [8]call
	calls := room[:0]
	results := make([]gateway.Result, 0, len(s.Branches))
	for i := range s.Branches {
		payload, err := x.Request.Body.Share(0)
		if err != nil {
			return gateway.BodyError(err)
		}
		c := call{branch: &s.Branches[i], x: NewCall(x, payload)}
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
		PassFace(x, calls[0].x, err)
		return err
	}
	if err := join(x, calls); err != nil {
		return err
	}
	x.Response.Complete = x.Response.Complete && len(calls) == len(s.Branches)
	return nil
}

// hold reads the answer of call i into memory, if all of it is propagated.
func (s *Sequence) hold(i int, c *call) {
	whole := func(p Propagated) bool { return p.Index == i && p.Path == nil }
	if c.err != nil || !slices.ContainsFunc(s.Propagate, whole) {
		return
	}
	if _, err := c.x.Response.Body.Bytes(s.Branches[i].Limit); err != nil {
		c.err = message.AnswerError(err)
	}
}

// params returns the parameters of the path followed by the propagated values.
// A value that no answer holds is empty.
func (s *Sequence) params(path []string, results []gateway.Result) []string {
	if len(s.Propagate) == 0 {
		return path
	}
	all := append(make([]string, 0, len(path)+len(s.Propagate)), path...)
	for _, p := range s.Propagate {
		var text string
		if p.Index < len(results) {
			if p.Path != nil {
				text, _ = template.ResultText(results, p.Index, p.Path)
			} else if raw, err := results[p.Index].Body.Bytes(0); err == nil { // it was read by hold
				text = string(raw)
			}
		}
		all = append(all, text)
	}
	return all
}

// Race is the connector of concurrent calls: it runs a plan several times at
// once and takes the first good answer.
type Race struct {
	Plan     gateway.Connector
	Calls    int
	Deadline time.Duration // 0 for that of the endpoint
}

// Do starts all calls, takes the first complete answer and ends the others.
// The winner lives on: its body may still stream.
func (r *Race) Do(ctx context.Context, x *gateway.Exchange) error {
	if err := message.Buffer(ctx, &x.Request.Body, 0); err != nil {
		return err
	}
	ctx = plan.Within(ctx, x, r.Deadline)
	runners, branch := make([]runner, r.Calls), &Branch{Run: r.Plan}
	done := make(chan *runner, r.Calls)
	x.OnRelease(func() {
		for i := range runners {
			if cancel := runners[i].cancel; cancel != nil {
				cancel(nil)
			}
		}
	})
	for i := range runners {
		payload, err := x.Request.Body.Share(0)
		if err != nil {
			return gateway.BodyError(err)
		}
		run := &runners[i]
		run.index, run.branch = i, branch
		run.x = NewCall(x, payload)
		run.x.Request.Contested = true
		run.ctx, run.cancel = context.WithCancelCause(ctx)
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
					runners[i].cancel(gateway.ErrSuperseded)
				}
			}
		case run.err == nil:
			if details == nil || run.index < details.index { // of the first backend, whoever came first
				details = run
			}
		case failed == nil, failed.cut() && !run.cut(), failed.cut() == run.cut() && run.index < failed.index:
			failed = run
		}
	}
	if winner == nil {
		winner = details
	}
	if winner == nil {
		PassFace(x, failed.x, failed.err)
		return failed.err
	}
	x.Response.Take(&winner.x.Response)
	return nil
}

type runner struct {
	call
	index  int
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// cut reports whether the call failed because nobody waits for it any more.
func (r *runner) cut() bool { return errors.Is(r.err, context.Canceled) }

// Shadows are backends whose answers nobody waits for.
type Shadows struct {
	Plans   []ShadowPlan
	Running *Background // of the generation, which outlives the calls
	Limit   int64
}

// A ShadowPlan is one of them: what runs, and within which bounds.
type ShadowPlan struct {
	Run     gateway.Connector
	Title   *plan.Title // of its plan
	Timeout time.Duration
	State   *ShadowState
	Most    int64 // that run at once
	Log     *component.Log
	Clock   component.Clock
	Place   string // the backend, for the log
}

// A ShadowState is what is known of the calls of one shadow, over reloads: nobody waits
// for them, so nothing else keeps them from piling up when their backend is slow, and
// nobody else learns how they end.
type ShadowState struct {
	running atomic.Int64
	left    atomic.Int64 // how many were left out since that was said
	crowded change.State // bad while calls were said to be left out
	failing change.State // bad while calls were said to fail
}

// join counts a call in and reports whether it may be made. That calls are left out,
// and that they are made again, is one line each.
func (p *ShadowPlan) join() bool {
	c := p.State
	n := c.running.Add(1)
	if n > p.Most {
		c.running.Add(-1)
		c.left.Add(1)
		if c.crowded.Is(true, p.Clock) {
			p.Log.Logger().Warn("shadow calls are left out, too many run at once", "place", p.Place, "running", p.Most)
		}
		return false
	}
	if c.crowded.Bad() && n <= max(1, p.Most/2) && c.crowded.Is(false, p.Clock) {
		p.Log.Logger().Info("shadow calls are made again", "place", p.Place, "left_out", c.left.Swap(0))
	}
	return true
}

// ended tells how a call went that has ended with a status: that calls fail, and that they no
// longer do, is one line each. A status below 500 is an answer, such as that something is not there, and
// what the client did wrong, or who ended the call, says nothing of the shadow.
func (p *ShadowPlan) ended(status int, err error) {
	switch class := gateway.ClassOf(err); {
	case class == gateway.Bad, class == gateway.Gone:
		return
	case class == gateway.Refused && 0 < status && status < 500:
		err = nil
	case err == nil && status >= 500: // which is passed through
		err = &gateway.Error{Code: gateway.CodeBackendStatus, Err: fmt.Errorf("the answer has status %d", status)}
	}
	if !p.State.failing.Is(err != nil, p.Clock) {
		return
	}
	if err != nil {
		level := slog.LevelWarn
		if gateway.AsError(err).Code == gateway.CodeInternal { // a fault of ours
			level = slog.LevelError
		}
		p.Log.Logger().Log(context.Background(), level, "shadow calls fail", "place", p.Place, "error", err)
		return
	}
	p.Log.Logger().Info("shadow calls are answered again", "place", p.Place)
}

// start sends a copy of the request to every shadow that has not too many calls under
// way. The calls go on when the client has been answered; each ends by its own
// deadline. The error is that of reading the client's body, which nobody gets then.
func (s *Shadows) start(ctx context.Context, x *gateway.Exchange) error {
	if s == nil {
		return nil
	}
	var room [8]*ShadowPlan
	joined := room[:0]
	for i := range s.Plans {
		if p := &s.Plans[i]; p.join() {
			joined = append(joined, p)
		}
	}
	if len(joined) == 0 {
		return nil
	}
	payload, err := s.read(ctx, x)
	if err != nil {
		for _, p := range joined {
			p.State.running.Add(-1)
		}
		return err
	}
	for _, p := range joined {
		c := gateway.Detach(x)
		if len(payload) > 0 {
			c.Request.Body = body.FromBytes([]byte(string(payload)))
		}
		s.Running.start(p.Timeout, func(ctx context.Context) { p.call(ctx, c) })
	}
	return nil
}

// call makes the call of one shadow. Who looks at the request is told of it as a whole, and
// of its steps.
func (p *ShadowPlan) call(ctx context.Context, c *gateway.Exchange) {
	defer p.State.running.Add(-1)
	r := c.Record
	var span gateway.Span
	if r != nil {
		span = gateway.Span{Plan: p.Title.String(), Step: "shadow", Began: r.Since(), Before: c.Request.Body.Form()}
	}
	err := p.Run.Do(ctx, c)
	span.After = c.Response.Body.Form()
	if err == nil {
		err = drain(ctx, &c.Response.Body)
	}
	if r != nil {
		span.Status, span.Err = c.Response.Status, err
		span.Took = r.Since() - span.Began
		r.Add(span)
	}
	var end gateway.End
	status := c.Response.Status
	c.Pin = &end
	c.Release()
	p.ended(status, cmp.Or(err, end.Err))
}

// read returns the body of the client's request.
func (s *Shadows) read(ctx context.Context, x *gateway.Exchange) ([]byte, error) {
	if err := message.Buffer(ctx, &x.Request.Body, s.Limit); err != nil {
		return nil, err
	}
	payload, err := x.Request.Body.Bytes(s.Limit)
	if err != nil {
		return nil, gateway.BodyError(err)
	}
	return payload, nil
}

// drain reads what a shadow answers, so that its connection can be used again. An answer
// that breaks off is a failure, one that goes on for long is not.
func drain(ctx context.Context, b *body.Body) (err error) {
	defer gateway.Recover("", &err)
	const enough = 1 << 20
	if b.Form() != body.Stream {
		return nil
	}
	_, err = b.Bytes(enough)
	switch {
	case err == nil, errors.Is(err, body.ErrTooLarge):
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return gateway.Left(ctx, err)
	}
	return message.AnswerError(err)
}

// note tells who looks at x where the members of an answer of the branch come from, if
// that is the answer of the client and not one within it.
func (b *Branch) note(x *gateway.Exchange, answer *body.Body) {
	if x.Record == nil || x.Parent != nil || b.Title == nil || !b.Decodes {
		return
	}
	o, err := answer.Object()
	if err != nil {
		return // for the merge to report
	}
	from := b.Title.String()
	for i := range o.Members {
		x.Record.Merged(string(o.Members[i].Name), from)
	}
}
