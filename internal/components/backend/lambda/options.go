package lambda

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
)

// Options configures backend/lambda.
type Options struct {
	// FunctionName is the function: its name, such as orders, with a version or an alias as in
	// orders:live, or an ARN, whole or partial as in 123456789012:function:orders. It wins over
	// function_param_name.
	FunctionName string `json:"function_name" check:"nonempty"`

	// FunctionParamName is the parameter in the path of the endpoint that names the function,
	// such as lambda for /f/{lambda}. The case of its first letter does not matter.
	FunctionParamName string `json:"function_param_name" check:"nonempty"`

	// Region is where the function is, such as eu-west-1. Without it the environment of AWS
	// says so; with an endpoint it is us-east-1 if nobody does.
	Region string `json:"region" check:"nonempty"`

	// Endpoint is the base URL of what stands in for AWS, such as http://localhost:4566.
	Endpoint string `json:"endpoint" check:"url"`

	// MaxRetries is how often a call is made again that was not answered, or answered with
	// a failure that may pass, such as 500 or 429; -1 leaves that to the environment of AWS,
	// which makes three attempts by default.
	MaxRetries int `json:"max_retries" check:"min=-1"`

	// PayloadFormat is what the function gets and gives: raw for parameters or the body as they
	// are, apigw for the event and the answer of a proxy integration of API Gateway.
	PayloadFormat Format `json:"payload_format"`

	// FunctionErrorStatus is the status of the answer if the function fails. Without it that is
	// 500, or 502 where statuses follow causes.
	FunctionErrorStatus int `json:"function_error_status" check:"min=400,max=599"`

	// ForwardAWSStatus answers with the status of AWS if that refuses the call, such as 403 or
	// 429, and not with 502. Without it the dialect krakend does, and sluice does not.
	ForwardAWSStatus *bool `json:"forward_aws_status"`
}

// Defaults are the options that nobody writes.
func (Options) Defaults() Options { return Options{FunctionParamName: "function", PayloadFormat: raw} }

// Validate reports what is no function, and no place for one.
func (o Options) Validate() error {
	if o.FunctionName != "" && !isFunction(o.FunctionName) {
		return config.At("function_name", errors.New("it is no function; write a name such as orders or orders:live, or an ARN"))
	}
	if strings.Contains(o.Endpoint, "@") {
		return config.At("endpoint", errors.New("it holds user information, which is not sent; credentials are those of the environment of AWS"))
	}
	if strings.ContainsAny(o.Endpoint, "?#") {
		return config.At("endpoint", errors.New("it is a base URL; write it without a query"))
	}
	if _, err := component.HTTPHosts.Read(o.Endpoint); o.Endpoint != "" && err != nil {
		return config.At("endpoint", fmt.Errorf("it is no base URL, %w; write one such as http://localhost:4566", err))
	}
	return nil
}

// A Format is that of payloads.
type Format string

// The formats.
const (
	raw   Format = "raw"
	apigw Format = "apigw"
)

// Enum returns the formats.
func (Format) Enum() []string { return []string{string(raw), string(apigw)} }

// function is what names one (API reference of AWS Lambda, Invoke, FunctionName).
var function = regexp.MustCompile(`^(arn:aws[a-z-]*:lambda:)?([a-z]{2}(-[a-z]+)+-\d:)?(\d{12}:)?(function:)?[a-zA-Z0-9_-]+(:(\$LATEST|[a-zA-Z0-9_-]+))?$`)

// isFunction reports whether a text may name a function.
func isFunction(name string) bool { return len(name) <= 256 && function.MatchString(name) }
