package proxy

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/flatmap"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

//go:embed options.go
var source string

//go:embed doc.go
var doc string

var (
	aliases = []string{"github.com/devopsfaith/krakend/proxy"}

	endpointInfo = component.Info{
		Namespace: "proxy",
		Aliases:   aliases,
		Summary:   "Sets how the calls of an endpoint follow each other and what is made of their answers.",
		Source:    source,
		Doc:       doc,
		Implicit:  component.InEndpoint, // limits of the namespace router hold for every one; what comes to a pipe has passed them
	}

	backendInfo = component.Info{
		Namespace: "proxy",
		Aliases:   aliases,
		Summary:   "Makes a call a shadow, or rearranges its answer.",
		Source:    source,
		Doc:       doc,
	}
)

func init() { component.Register(declarations()...) }

func declarations() []component.Declaration {
	return append(component.Nested(endpointInfo, buildNested),
		component.Endpoint(endpointInfo, buildEndpoint),
		component.Backend(backendInfo, buildBackend))
}

func buildEndpoint(s *component.EndpointSite, o EndpointOptions) error {
	s.Upgrade(lower(o.Upgrade)...)
	if o.Upgrade != nil && len(o.Upgrade) == 0 {
		s.Warn("upgrade", errors.New("has no effect without a protocol; name one such as websocket, or remove the list"))
	}
	return buildPipe(&s.PipeSite, o)
}

func buildNested(s *component.PipeSite, o EndpointOptions) error {
	if o.Upgrade != nil {
		s.Mistake("upgrade", errors.New("has no effect here, where no client is; write it in the proxy options of the endpoint"))
	}
	return buildPipe(s, o)
}

func buildPipe(s *component.PipeSite, o EndpointOptions) error {
	if err := arrange(s, o); err != nil {
		return err
	}
	intake(s, o)
	raw := s.Config().OutputEncoding == "no-op"
	if ops := o.FlatmapFilter; len(ops) > 0 { // a variable of its own: o would be on the heap for every endpoint
		s.Finally(func() error { return rearrange(s, ops) })
	}
	if o.Static != nil {
		switch {
		case raw:
			s.Warn("static", errors.New("has no effect with no-op output"))
		case o.Static.Data == nil:
			s.Warn("static", errors.New("has no effect without data; add it, or remove static"))
		default:
			s.Needs(body.Empty, body.Spans)
			s.Stage(component.PipeStatic, newStatic(o.Static))
		}
	}
	if o.Combiner != "" && o.Combiner != "default" {
		s.Warn("combiner", fmt.Errorf("%q is not known; answers are merged in the order of declaration", o.Combiner))
	}
	if o.ForceSandboxedRequest {
		s.Note("force_sandboxed_request", errors.New("has no effect: every backend has its own copy of the request"))
	}
	return nil
}

// rearrange puts the operations behind the merge, if there is one.
func rearrange(s *component.PipeSite, ops []Operation) error {
	switch {
	case s.Config().OutputEncoding == "no-op":
		s.Mistake("flatmap_filter", errors.New("has no effect with no-op, which passes the answer as it is; write another output_encoding in the endpoint, such as json"))
		return nil
	case s.Answers() < 2:
		s.Mistake("flatmap_filter", errors.New("has no effect with one backend; move it into proxy of the backend"))
		return nil
	}
	f, err := compile(ops)
	if err != nil {
		return err
	}
	s.Needs(body.Empty, body.Tree)
	s.Stage(component.PipeFlatmap, filter{flatmap: f, limit: s.Config().MaxResponseBytes.Held()})
	return nil
}

// arrange states the order of the calls.
func arrange(s *component.PipeSite, o EndpointOptions) error {
	if o.AllowMultipleWrites {
		s.AllowWrites()
	}
	if most := payload(s, o); most != nil {
		s.Payload(*most)
	}
	if !o.Sequential {
		if len(o.SequentialPropagatedParams) > 0 {
			s.Warn("sequential_propagated_params", errors.New("has no effect without sequential; set it, or remove the list"))
		}
		return nil
	}
	if err := s.Sequence(o.SequentialPropagatedParams); err != nil {
		return config.At("sequential", err)
	}
	params := o.SequentialPropagatedParams // and not o, as above
	s.Finally(func() error {
		if s.Answers() == 1 {
			s.Note("sequential", errors.New("has no effect with one backend"))
		}
		for i, p := range params {
			number := propagated.FindStringSubmatch(p)[1]
			if n, err := strconv.Atoi(number); err != nil || n >= s.Answers()-1 {
				s.Warn(fmt.Sprintf("sequential_propagated_params[%d]", i),
					fmt.Errorf("no call follows that of backend %s, so nothing can use its answer", number))
			}
		}
		return nil
	})
	return nil
}

// A filter rearranges the merged answer.
type filter struct {
	gateway.LeaveOnly
	flatmap *flatmap.Filter
	limit   int64 // of an answer, in bytes; 0 is none
}

// Leave runs the filter on an answer, whole or partial.
func (f filter) Leave(_ context.Context, x *gateway.Exchange, err error) error {
	if err != nil {
		return err
	}
	tree, err := x.Response.Body.Tree(f.limit)
	if errors.Is(err, body.ErrTooLarge) {
		return &gateway.Error{Code: gateway.CodeBackendTooLarge, Public: "the answer is too large", Err: err}
	}
	if err != nil {
		return err
	}
	x.Response.Body.SetTree(f.flatmap.Apply(tree))
	return nil
}

func buildBackend(s *component.BackendSite, o BackendOptions) error {
	if o.Shadow {
		if err := s.Shadow(component.Shadow{Timeout: time.Duration(o.ShadowTimeout), Most: o.ShadowLimit}); err != nil {
			return config.At("shadow", err)
		}
	} else {
		for _, key := range []string{"shadow_timeout", "shadow_limit"} {
			if s.Written(key) {
				s.Warn(key, errors.New("has no effect without shadow; set it, or remove the key"))
			}
		}
	}
	if len(o.FlatmapFilter) == 0 {
		return nil
	}
	b := s.Config()
	if b.Encoding == "no-op" {
		if s.Endpoint().Config().OutputEncoding == "no-op" {
			s.Mistake("flatmap_filter", errors.New("has no effect with no-op, which passes the answer as it is; write another output_encoding in the endpoint, such as json"))
			return nil
		}
		s.Mistake("flatmap_filter", errors.New("has no effect with encoding no-op; choose an encoding that decodes"))
		return nil
	}
	f, err := compile(o.FlatmapFilter)
	if err != nil {
		return err
	}
	switch err := errors.New("takes the place of allow, deny and mapping, which have no effect; write what they are for as operations"); {
	case len(b.Allow)+len(b.Deny) > 0:
		s.Mistake("flatmap_filter", err)
	case len(b.Mapping) > 0:
		s.Warn("flatmap_filter", err)
	}
	s.Reshape(f.Apply)
	return nil
}
