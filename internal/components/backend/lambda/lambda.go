package lambda

import (
	_ "embed"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

//go:embed options.go
var source string

//go:embed doc.go
var doc string

const codeFailed = "function_failed"

var info = component.Info{
	Namespace: "backend/lambda",
	Aliases:   []string{"github.com/devopsfaith/krakend-lambda"},
	Summary:   "Calls a function of AWS Lambda.",
	Source:    source,
	Doc:       doc,
	Hosts:     component.Verbatim,
	Failures: []gateway.Failure{
		{Code: codeFailed, Class: gateway.Refused, Others: "that of `function_error_status`", Detail: "A function behind the gateway failed."},
	},
}

func init() { component.Register(component.Backend(info, build)) }
