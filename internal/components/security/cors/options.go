package cors

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
)

// Options configures security/cors.
type Options struct {
	// AllowOrigins lists the origins whose pages may read answers, such as
	// https://shop.example.com. One * in an origin stands for letters, digits,
	// dots and hyphens: https://*.example.com allows every host below
	// example.com and not example.com itself, http://localhost:* every port. Behind
	// a whole name, as in http://localhost*, it also stands for a colon and a port,
	// and for the rest of longer names, which is reported. A lone * allows every
	// origin; beside credentials, which browsers refuse there, write https://* and
	// http://*. An origin has no path, and no port that is usual for its scheme.
	// Letter case is ignored.
	AllowOrigins []string `json:"allow_origins" example:"[\"https://shop.example.com\"]" guards:"option" stricter:"fewer"`

	// AllowMethods lists the methods that pages of other origins may use. An
	// empty list stands for those that need no preflight: GET, HEAD and POST.
	AllowMethods []Method `json:"allow_methods" stricter:"fewer"`

	// AllowHeaders lists the request headers that pages of other origins may
	// send. An empty list, or a * in it, allows every header. Letter case is
	// ignored.
	AllowHeaders []string `json:"allow_headers" check:"token" stricter:"only"`

	// ExposeHeaders lists the response headers that pages of other origins may
	// read besides the few that browsers always show.
	ExposeHeaders []string `json:"expose_headers" check:"token" stricter:"fewer"`

	// MaxAge is how long browsers may remember the answer of a preflight, in
	// whole seconds; below 1s it is not announced, and browsers use their
	// default of five seconds.
	MaxAge config.Duration `json:"max_age" guards:"beside"`

	// AllowCredentials lets pages of other origins send cookies and read the
	// answers to them. It has no effect with an origin of *, for which browsers
	// refuse credentials.
	AllowCredentials bool `json:"allow_credentials" stricter:"false"`

	// AllowPrivateNetwork lets pages of the internet reach a gateway in a
	// private network.
	AllowPrivateNetwork bool `json:"allow_private_network" stricter:"false"`

	// OptionsPassthrough lets the router answer preflights; the headers are
	// added to its answer. It is meant for auto_options of router.
	OptionsPassthrough bool `json:"options_passthrough"`

	// OptionsSuccessStatus is the status of answers to preflights.
	OptionsSuccessStatus int `json:"options_success_status" check:"min=200,max=299"`

	// Debug logs why a permission was given or not, at debug level.
	Debug bool `json:"debug" guards:"beside"`
}

// Method is a method that pages of other origins may use; letter case is
// ignored.
type Method string

// Enum lists the values.
func (Method) Enum() []string {
	return []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
}

// Fold brings a value to the spelling of Enum.
func (Method) Fold(s string) string { return strings.ToUpper(s) }

var simpleMethods = []Method{"GET", "HEAD", "POST"}

// Defaults allow every origin the three methods that need no preflight.
func (Options) Defaults() Options {
	return Options{
		AllowOrigins:         []string{"*"},
		AllowMethods:         simpleMethods,
		OptionsSuccessStatus: 204,
	}
}

// Without returns what holds without the namespace: pages of other origins may nothing.
func (Options) Without() any {
	return Options{AllowHeaders: []string{""}, OptionsSuccessStatus: 204}
}

// Validate reports origins that cannot match.
func (o Options) Validate() error {
	var errs []error
	if len(o.AllowOrigins) == 0 {
		errs = append(errs, config.At("allow_origins", errors.New(`an empty list may mean nobody or everybody; write the origins, or "*" for every origin`)))
	}
	for i, origin := range o.AllowOrigins {
		at := fmt.Sprintf("allow_origins[%d]", i)
		switch {
		case strings.Count(origin, "*") > 1:
			errs = append(errs, config.At(at, fmt.Errorf("%q has more than one *; write one, as in https://*.example.com", origin)))
		case origin == "":
			errs = append(errs, config.At(at, errors.New("an empty origin matches nothing; write scheme://host, or *")))
		case strings.HasSuffix(origin, "/"):
			errs = append(errs, config.At(at, fmt.Errorf("%q matches nothing, an origin has no path; write %q", origin, strings.TrimRight(origin, "/"))))
		}
	}
	return errors.Join(errs...)
}
