//go:build !slim

package lambda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go/middleware"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/awsx"
	"github.com/sluice-gateway/sluice/internal/kit/change"
	"github.com/sluice-gateway/sluice/internal/model"
)

func build(s *component.BackendSite, o Options) error {
	b := s.Config()
	c := &connector{
		function: aws.String(o.FunctionName),
		param:    -1,
		forward:  s.Service().Dialect != model.Sluice,
		failed:   o.FunctionErrorStatus,
		limit:    b.MaxResponseBytes.Held(),
		through:  b.Encoding == "no-op",
		log:      s.Log(),
		clock:    s.Clock(),
		name:     s.Name(),
	}
	if o.ForwardAWSStatus != nil {
		c.forward = *o.ForwardAWSStatus
	}
	if o.FunctionName == "" {
		if c.param = parameter(s.Endpoint().Params(), o.FunctionParamName); c.param < 0 {
			return config.At("function_name", fmt.Errorf("nobody says which function it is: the path of the endpoint has no {%s}; write the name here, or that of a parameter in function_param_name", o.FunctionParamName))
		}
	} else if s.Written("function_param_name") {
		s.Mistake("function_param_name", errors.New("function_name wins; keep one of the two"))
	}
	if o.Region != "" {
		if err := awsx.CheckRegion(o.Region); err != nil {
			return config.At("region", err)
		}
	}
	if o.PayloadFormat == apigw {
		c.event = newEvent(s)
	}
	o.judge(s)
	if c.event == nil && b.Method == "GET" {
		var err error
		if c.members, err = members(s); err != nil {
			return err
		}
	} else {
		s.Needs(body.Raw, body.Empty)
	}
	c.announce(s)
	s.Asks(o.asks())
	s.LikeHTTP(component.LikeHTTP{Transport: true, Statuses: c.event != nil})
	s.Finally(func() (err error) { // other components say how it is connected to
		c.client, err = open(s, o)
		return err
	})
	return s.Connector(c)
}

// judge reports what has no effect, and what cannot be meant.
func (o Options) judge(s *component.BackendSite) {
	if of := function.FindStringSubmatch(o.FunctionName); of != nil && of[2] != "" && o.Region != "" && strings.TrimSuffix(of[2], ":") != o.Region {
		s.Mistake("region", fmt.Errorf("the function is one of %s, and this region is asked for it; write one of the two", strings.TrimSuffix(of[2], ":")))
	}
	if o.PayloadFormat == apigw {
		return
	}
	b, e := s.Config(), s.Endpoint()
	if b.Method != "GET" && e.Outer() == nil && e.Config().Method == "GET" {
		s.Warn("", errors.New(`a request with GET has no body, so that the function gets an empty payload; write "method": "GET" in the backend to send the parameters of the path`))
	}
}

// asks says what is called.
func (o Options) asks() string {
	function := fmt.Sprintf("calls: the function %q", o.FunctionName)
	if o.FunctionName == "" {
		function = fmt.Sprintf("calls: the function that {%s} names", o.FunctionParamName)
	}
	if o.Region != "" {
		function += " in " + o.Region
	}
	if o.Endpoint != "" {
		function += " at " + o.Endpoint
	}
	return function
}

// parameter returns the index of a name among those of parameters, whatever the case of
// its first letter; -1 if it is not there.
func parameter(params []string, name string) int {
	for i, p := range params {
		if p[1:] == name[1:] && strings.EqualFold(p[:1], name[:1]) {
			return i
		}
	}
	return -1
}

// open returns the client of the options, over reloads the same.
func open(s *component.BackendSite, o Options) (*sdk.Client, error) {
	a, err := awsx.Open(&s.Site, *s.Transport(), o.Region, o.Endpoint)
	if errors.Is(err, awsx.ErrRegion) {
		return nil, config.At("region", err)
	}
	if err != nil {
		return nil, err
	}
	return component.Keep(&s.Site, "client "+a.ID+" "+strconv.Itoa(o.MaxRetries), func() (*sdk.Client, func(), error) {
		return sdk.NewFromConfig(a.Config, func(to *sdk.Options) {
			if a.Endpoint != nil {
				to.BaseEndpoint = a.Endpoint
			}
			if o.MaxRetries >= 0 {
				to.RetryMaxAttempts = o.MaxRetries + 1
				to.Retryer = retry.NewStandard(func(r *retry.StandardOptions) {
					r.MaxAttempts, r.RateLimiter = to.RetryMaxAttempts, ratelimit.None // each call has its retries, however many others have failed
				})
			}
			to.APIOptions = append(to.APIOptions, func(stack *middleware.Stack) error {
				return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("payload", divert), middleware.After)
			})
		}), nil, nil
	})
}

// A connector calls a function.
type connector struct {
	client   *sdk.Client
	function *string // "" if a parameter names it
	param    int     // its index; -1 for none
	members  []member
	event    *event // nil for payloads as they are

	forward bool // the status of AWS
	failed  int  // status of a function that fails; 0 lets the dialect decide
	limit   int64
	through bool // the answer goes to the client as it comes

	version gateway.Slot[string] // that was called, on the exchange of the endpoint
	shows   bool

	name  string
	log   *slog.Logger
	clock component.Clock
	state change.State
}

// largest is how many bytes of payload Lambda takes (quotas of AWS Lambda).
const largest = 6 << 20

// Do calls the function.
func (c *connector) Do(ctx context.Context, x *gateway.Exchange) error {
	if c.event != nil && !x.Request.Header.Has("Accept-Encoding") {
		x.Request.Unpack = true // nobody has asked for what is packed
	}
	in := sdk.InvokeInput{FunctionName: c.function}
	if c.param >= 0 {
		if !isFunction(x.Params[c.param]) {
			return &gateway.Error{Status: 400, Code: gateway.CodeBadRequest, Public: "there is no such function", Err: errors.New("the path names what is no function")}
		}
		in.FunctionName = &x.Params[c.param]
	}
	var err error
	if in.Payload, err = c.payload(x); err != nil {
		return err
	}
	if len(in.Payload) > largest {
		return gateway.TooLarge("what Lambda takes", largest)
	}
	var p payload
	out, err := c.client.Invoke(context.WithValue(ctx, diverted{}, &p), &in)
	if err != nil {
		p.close()
		return c.failure(ctx, err)
	}
	c.tell(nil)
	return c.answer(x, out, &p)
}

// payload returns what the function gets.
func (c *connector) payload(x *gateway.Exchange) ([]byte, error) {
	switch {
	case c.event != nil:
		return c.event.append(nil, x)
	case c.members != nil:
		return appendMembers(nil, c.members, x)
	}
	b, err := x.Request.Body.Bytes(0)
	if err != nil {
		return nil, gateway.BodyError(err)
	}
	return b, nil
}

// failure returns the failure of a call that has no answer of a function.
func (c *connector) failure(ctx context.Context, err error) error {
	err = awsx.Failed(ctx, err)
	e, ok := errors.AsType[*gateway.Error](err)
	if !ok {
		return err // the time is over, or the client gone
	}
	r, refused := errors.AsType[*awsx.Refusal](err)
	if !refused {
		if e.Code == gateway.CodeBackendAway || errors.Is(e, gateway.ErrUnreached) { // whatever the request is
			c.tell(err)
		}
		return err
	}
	named := c.param >= 0 && (r.Status == 404 || r.Code == "AccessDeniedException") // by the client
	illegible := c.members == nil && c.event == nil && r.Code == "InvalidRequestContentException"
	e.Status = 502
	switch {
	case named:
		e.Status, e.Code, e.Public = 400, gateway.CodeBadRequest, "there is no such function"
	case illegible:
		e.Status, e.Code, e.Public = 400, gateway.CodeBadRequest, "the request body must be JSON"
	case r.Status == 401, r.Status == 403, r.Status == 404: // of what is set up, not of this request
		c.tell(err)
	}
	if c.forward && r.Status >= 400 && r.Status <= 599 {
		e.Status = r.Status
	}
	return e
}

// tell writes a line if it is news that functions cannot be called, or that they can.
func (c *connector) tell(err error) {
	switch say := c.state.Is(err != nil, c.clock); {
	case !say:
	case err != nil:
		c.log.Warn("function cannot be called", "backend", c.name, "cause", gateway.Reason(err))
	default:
		c.log.Info("function is called again", "backend", c.name)
	}
}
