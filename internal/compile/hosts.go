package compile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/balance"
	"github.com/sluice-gateway/sluice/internal/check"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/httpcall"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/plan"
)

// newHTTP returns the connector that calls the hosts of a backend by HTTP:
// choose a host, run the stages of the wire plan, call the host, unpack, follow
// redirects. A body that redirects may need again is held, hold bytes of it at most.
func (c *compiler) newHTTP(s *component.BackendSite, call component.Call, to callee, stages []component.Placed, hold int64) (tail gateway.Connector, onWire *plan.Plan, err error) {
	be := s.Config()
	c.check.Hosts(be)
	client := call.Client
	if client == nil {
		client, err = c.env.Dial(call.Transport, nil)
	}
	if err != nil { // those of a component have been looked at there
		return nil, nil, config.Join(c.g.Service.Node.Problems(config.Error, config.CodeInvalid, err))
	}
	next := httpcall.NewWire(plan.Blueprint{Placed: stages, Phase: backendPhase, Tail: &httpcall.Unpacked{Next: client}, Name: "client", At: be.Node.Pos,
		Title: plan.Title{Subject: subject(s), Index: uint16(slices.Index(s.Endpoint().Config().Backend, be)), Of: plan.OfAttempt}})
	if w, ok := next.(*httpcall.Wire); ok {
		onWire = w.Plan()
	}
	first, err := c.hosts(s, to, next)
	if err != nil {
		return nil, nil, config.At("host", err)
	}
	if call.Redirects.Return {
		return first, onWire, nil
	}
	return &httpcall.Redirected{First: first, Next: next, SendBody: call.Redirects.SendBody,
		Named: c.g.Service.Behaviour.RedirectCredentials == "host", Limit: hold}, onWire, nil
}

// hosts returns the connector that chooses among the hosts of a backend.
func (c *compiler) hosts(s *component.BackendSite, to callee, next gateway.Connector) (gateway.Connector, error) {
	be := s.Config()
	if be.SD != "static" {
		if len(be.Host) == 0 { // of a component that needs none
			return nil, errors.New("no name to look up; write a list of one, or remove sd")
		}
		if slices.ContainsFunc(be.Host, func(h string) bool { return strings.Contains(h, "{") }) {
			return nil, errors.New("a name that is looked up cannot hold placeholders; remove sd, or write the name out")
		}
		return c.discovered(s, next)
	}
	hosts := be.Host
	if be.DisableHostSanitize && to.by == "" {
		hosts = c.callable(be)
	}
	if len(hosts) == 0 {
		return gateway.ConnectorFunc(httpcall.NoHost), nil
	}
	if slices.ContainsFunc(hosts, func(h string) bool { return strings.Contains(h, "{") }) {
		t := &httpcall.Templated{Next: next}
		for _, h := range hosts {
			host, err := httpcall.ParseHostTemplate(h, s.Endpoint().Params())
			if err != nil {
				return nil, err
			}
			t.Hosts = append(t.Hosts, host)
		}
		return t, nil
	}
	set, err := c.static(s, hosts)
	if err != nil {
		return nil, err
	}
	if len(hosts) == 1 {
		return httpcall.NewDirect(set.First(), next, c.reporter(s)), nil
	}
	return c.balanced(s, set, next)
}

// static returns the set of hosts of a list. All backends with the same list share
// one, and what is known about the health of its hosts survives a reload.
func (c *compiler) static(s *component.BackendSite, hosts []string) (*balance.Set, error) {
	id := strings.Join(hosts, "\x00")
	if set := c.sets[id]; set != nil {
		return set, nil
	}
	set, err := component.Keep(&s.Site, "hosts\x00"+id, func() (*balance.Set, func(), error) {
		set, err := balance.NewStatic(hosts, balance.Options{Clock: c.env.Clock})
		return set, nil, err
	})
	if err == nil {
		c.sets[id] = set
	}
	return set, err
}

// reporter returns who says what happens to the hosts of a backend.
func (c *compiler) reporter(s *component.BackendSite) httpcall.Reporter {
	return httpcall.Reporter{Log: c.env.Log, Backend: s.Config().URLPattern}
}

// callable returns the hosts of a backend that HTTP can reach, of those that were not
// sanitised, and reports the others.
//
// Compatibility: KrakenD starts with hosts of any scheme, and their calls fail.
func (c *compiler) callable(be *model.Backend) []string {
	var hosts []string
	for i, h := range be.Host {
		key := be.Node.ItemPath("host", i)
		scheme, rest, found := strings.Cut(h, "://")
		authority, _, _ := strings.Cut(rest, "/")
		switch {
		case !found || gateway.Lower(scheme) != "http" && gateway.Lower(scheme) != "https":
			c.report(be.Node, key, config.Warning, config.CodeInvalidHost,
				fmt.Errorf("host %s does not begin with http:// or https://, so it is never called; write the scheme", config.MaskWrong(h)))
		case strings.Contains(authority, "@"):
			c.report(be.Node, key, config.Error, config.CodeInvalidHost,
				fmt.Errorf("host %s holds user information, which is not sent; remove it", config.MaskWrong(h)))
		case strings.ContainsAny(authority, "?#") || strings.Contains(h, "#"):
			c.report(be.Node, key, config.Error, config.CodeInvalidHost,
				fmt.Errorf("host %s holds a query or a fragment; write it into url_pattern", config.MaskWrong(h)))
		case check.StrayBrace(h) != nil:
			c.report(be.Node, key, config.Error, config.CodeInvalidHost, fmt.Errorf("host %s not valid: %w", config.MaskWrong(h), check.StrayBrace(h)))
		default:
			hosts = append(hosts, h)
		}
	}
	return hosts
}

func (c *compiler) balanced(s *component.BackendSite, set *balance.Set, next gateway.Connector) (gateway.Connector, error) {
	strategy, err := balance.ParseStrategy(string(s.Config().Balance))
	if err != nil {
		return nil, err
	}
	return &httpcall.Balanced{Hosts: balance.New(set, strategy), Next: next, Says: c.reporter(s)}, nil
}

// discovered returns the connector of a backend whose hosts are looked up.
func (c *compiler) discovered(s *component.BackendSite, next gateway.Connector) (gateway.Connector, error) {
	be := s.Config()
	_, name, found := strings.Cut(be.Host[0], "://")
	if !found {
		name = be.Host[0]
	}
	o := balance.DiscoveryOptions{
		Options:  balance.Options{Clock: c.env.Clock},
		Resolver: c.Resolver,
		TTL:      time.Duration(c.g.Service.DNSCacheTTL),
	}
	log := c.env.Log
	id := fmt.Sprintf("srv\x00%s\x00%s\x00%d", name, be.SDScheme, o.TTL)
	if be.SD == "dns" {
		id += fmt.Sprintf("\x00%s", be.Node.Path())
	}
	d, err := component.Keep(&s.Site, id, func() (*balance.Discovery, func(), error) {
		d, err := balance.NewDiscovery(name, o)
		return d, nil, err
	})
	if err != nil {
		return nil, err
	}
	var stop func()
	s.OnStart(func(ctx context.Context) error {
		stop = d.Start(ctx, func(name string, err error) {
			if err != nil {
				log.Logger().Warn("service discovery failing, last hosts kept", "name", name, "error", err)
				return
			}
			log.Logger().Info("service discovery works again", "name", name)
		})
		return nil
	})
	s.OnClose(func(context.Context) error { stop(); return nil })
	return c.balanced(s, d.Hosts(string(be.SDScheme)), next)
}
