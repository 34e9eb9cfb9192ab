package proxy

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/flatmap"
	"github.com/sluice-gateway/sluice/internal/pathlint"
)

// EndpointOptions configures proxy in an endpoint.
type EndpointOptions struct {
	// Sequential calls the backends one after the other. A url_pattern may use
	// {respN_path}, a value of the answer of the N-th backend, counted from 0.
	Sequential bool `json:"sequential"`

	// SequentialPropagatedParams lists values of earlier answers, respN_path or
	// respN for a whole answer of encoding no-op, that scripts, policies and
	// modifiers of later backends can use.
	SequentialPropagatedParams []string `json:"sequential_propagated_params"`

	// Combiner names how answers are merged. There is one way, and every name
	// stands for it: members in the order of declaration, later ones win.
	Combiner string `json:"combiner"`

	// FlatmapFilter moves, deletes and appends parts of the merged answer, in
	// the order of the list. It needs two backends.
	FlatmapFilter []Operation `json:"flatmap_filter" guards:"list"`

	// Static adds fixed data to the answer.
	Static *Static `json:"static"`

	// AllowMultipleWrites allows several backends whose method is not GET, in
	// any place. A gateway cannot take the first write back when the second
	// fails.
	AllowMultipleWrites bool `json:"allow_multiple_writes" stricter:"false"`

	// Upgrade lists protocols that a client of HTTP/1.1 may switch to (RFC 9110,
	// section 7.8), such as websocket. When the backend agrees, the connection
	// is a tunnel from then on. The endpoint has method GET, output_encoding
	// no-op and one backend. HTTP and TLS are refused in every version, h2c
	// among them: requests within them would pass all policies by.
	Upgrade []string `json:"upgrade" stricter:"fewer"`

	// MaxPayload limits the body of a request, in bytes, unpacked if it is
	// unpacked; 0 is no limit. A larger one is answered with 413. Absent in an
	// endpoint, the option of the namespace router counts.
	MaxPayload *config.Size `json:"max_payload" guards:"key" stricter:"limit"`

	// DecompressGzip unpacks request bodies that come with Content-Encoding:
	// gzip before they are used. Absent in an endpoint, the option of the namespace
	// router counts.
	DecompressGzip *bool `json:"decompress_gzip"`

	// ForceSandboxedRequest has no effect: every backend has its own copy of
	// the request.
	ForceSandboxedRequest bool `json:"force_sandboxed_request" check:"idle"`
}

// StandsFor returns what holds without a key; see [config.StandsFor].
func (o EndpointOptions) StandsFor(key string) any {
	if key == "max_payload" && o.MaxPayload == nil {
		return config.Above{}
	}
	return nil
}

// Validate reports parameters that cannot have a value, and protocols that
// cannot be switched to.
func (o EndpointOptions) Validate() error {
	errs := checkUpgrade(o.Upgrade)
	for i, p := range o.SequentialPropagatedParams {
		if !propagated.MatchString(p) {
			errs = append(errs, config.At(fmt.Sprintf("sequential_propagated_params[%d]", i),
				fmt.Errorf("%q names no value of an answer; write one such as resp0_user.id", p)))
		}
	}
	return errors.Join(errs...)
}

// propagated is the pattern that the published schema states.
var propagated = regexp.MustCompile(`^resp([0-9]+)(_[^\s]+)?$`)

// BackendOptions configures proxy in a backend.
type BackendOptions struct {
	// Shadow calls the backend with a copy of the request and ignores its
	// answer, its errors and its time. One that takes messages from a queue is none,
	// since they would be lost.
	Shadow bool `json:"shadow"`

	// ShadowTimeout is the time that the call of a shadow has; 0s stands for
	// the timeout of the endpoint.
	ShadowTimeout config.Duration `json:"shadow_timeout"`

	// ShadowLimit is how many calls of a shadow may be under way at once. Further
	// ones are not made, which the log says when it begins and when it ends.
	ShadowLimit int `json:"shadow_limit" check:"min=1,max=100000"`

	// FlatmapFilter moves, deletes and appends parts of the answer, in the
	// order of the list. It takes the place of allow, deny and mapping, runs
	// after target and before group. An empty list does nothing.
	FlatmapFilter []Operation `json:"flatmap_filter" guards:"list"`
}

// defaultShadowLimit is as many calls as keep their connections.
const defaultShadowLimit = 250

// Defaults bound the shadows.
func (BackendOptions) Defaults() BackendOptions {
	return BackendOptions{ShadowLimit: defaultShadowLimit}
}

// Operation is one step of flatmap_filter. Paths are keys and array positions
// with dots between them; * stands for any of them.
type Operation struct {
	// Type is move, del or append.
	Type OperationType `json:"type" check:"required"`

	// Args lists paths: for move the source and the destination, for append
	// the array to take from and the array to append to, for del all that goes.
	Args []string `json:"args" check:"required"`
}

// Removes reports whether the operation keeps something from whoever asks.
func (o Operation) Removes() bool { return o.Type == "del" }

// Validate reports an operation that lacks a path, and what is to be deleted in
// another notation, which would be nothing.
func (o Operation) Validate() error {
	var errs []error
	if o.Type == "del" {
		for i, path := range o.Args {
			errs = append(errs, config.At(fmt.Sprintf("args[%d]", i), checkPath(path)))
		}
	}
	switch {
	case o.Type != "del" && len(o.Args) < 2:
		return config.At("args", fmt.Errorf("%s needs two paths; write [\"source\", \"destination\"]", o.Type))
	case len(o.Args) == 0:
		return config.At("args", fmt.Errorf("%s needs a path; write [\"path.to.delete\"]", o.Type))
	}
	return errors.Join(errs...)
}

// checkPath says what is wrong with a path that removes nothing.
func checkPath(path string) error {
	d := pathlint.Doubt(path)
	switch {
	case strings.Contains(path, `\.`):
		return fmt.Errorf("%q removes nothing: a backslash is no more than that here; use deny of the backend for names with dots", path)
	case d == nil || d.Inside == path:
		return nil // wildcards are what they are for
	case d.Inside != "":
		return fmt.Errorf("%q removes nothing: positions and * stand between dots; write %q", path, d.Inside)
	}
	return fmt.Errorf("%q removes nothing: %s; %s", path, d.Why, d.Remedy("write names with dots between them"))
}

// OperationType is what an operation does.
type OperationType string

// Enum lists the values.
func (OperationType) Enum() []string { return []string{"move", "del", "append"} }

// compile returns the filter of a list.
func compile(list []Operation) (*flatmap.Filter, error) {
	ops := make([]flatmap.Op, len(list))
	for i, o := range list {
		ops[i] = flatmap.Op{Type: string(o.Type), Args: o.Args}
	}
	return flatmap.Compile(ops)
}

// Static is fixed data for the answer of an endpoint.
type Static struct {
	// Data holds the members that are added. They replace members of the same
	// name.
	Data *config.Node `json:"data" check:"object"`

	// Strategy is when they are added; absent, always.
	Strategy Strategy `json:"strategy"`
}

// Validate reports data that is no object.
func (s Static) Validate() error {
	if s.Data != nil && s.Data.Kind != config.Object {
		return config.At("data", fmt.Errorf(`must be an object, got %s; write one such as {"name": "value"}`, s.Data.Kind))
	}
	return nil
}

// Strategy is when static data is added to an answer.
type Strategy string

// The strategies.
const (
	Always     Strategy = "always"
	Success    Strategy = "success"
	Complete   Strategy = "complete"
	Errored    Strategy = "errored"
	Incomplete Strategy = "incomplete"
)

// Enum lists the values.
func (Strategy) Enum() []string {
	return []string{"always", "success", "complete", "errored", "incomplete"}
}
