package compile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/message"
	"github.com/sluice-gateway/sluice/internal/model"
)

// webSocketHosts are those of a backend to which WebSockets lead: ws and wss stand for
// http and https (RFC 6455, section 3).
var webSocketHosts = &component.Hosts{Form: component.HTTPHosts.Form, Read: func(text string) (string, error) {
	return component.HTTPHosts.Read(overHTTP(text))
}}

// overHTTP returns a host with the scheme by which a WebSocket is opened.
func overHTTP(host string) string {
	scheme, rest, found := strings.Cut(host, "://")
	switch {
	case found && gateway.Lower(scheme) == "ws":
		return "http://" + rest
	case found && gateway.Lower(scheme) == "wss":
		return "https://" + rest
	}
	return host
}

// callee is what the hosts of a backend are, and who says so: a namespace, or "" for
// the core, which calls by HTTP.
type callee struct {
	*component.Hosts
	by string
}

// callee returns what the hosts of a backend are.
func (b *endpointBuilder) callee(be *model.Backend) callee {
	found := callee{component.HTTPHosts, ""}
	for name := range be.ExtraConfig {
		if d := b.Registry.Find(component.InBackend, name); d != nil && d.Hosts != nil && (found.by == "" || name < found.by) {
			found = callee{d.Hosts, name}
		}
	}
	switch {
	case found.by != "":
	case b.unbuilt(be) != "":
		found.Hosts = component.Verbatim
	case slices.Contains(b.site.Arrangement().Upgrade, message.Websocket):
		found.Hosts = webSocketHosts
	}
	return found
}

// A hostList is the hosts of the root as one kind of them.
type hostList struct {
	read  []string
	sound bool
}

// readHosts gives the backends of the endpoint their hosts as they are called, and
// reports whether there is nothing wrong with them.
func (b *endpointBuilder) readHosts() bool {
	wrong := func(be *model.Backend) {
		if b.unsound == nil {
			b.unsound = make(map[*model.Backend]bool)
		}
		b.unsound[be] = true
	}
	for _, be := range b.config.Backend {
		if b.unsaid(be) {
			wrong(be) // which is reported there
			continue
		}
		to := b.callee(be)
		if be.HostsFrom(b.g.Service) != be.Node {
			root := b.rootHosts(to)
			if be.Host = root.read; !root.sound {
				wrong(be)
			}
			continue
		}
		// Sanitising is of hosts that are called by HTTP. Elsewhere a host is read in any
		// case, unless it is made of values of the request.
		asIs := func(host string) bool { return be.DisableHostSanitize && (to.by == "" || strings.Contains(host, "{")) }
		if to.Hosts == webSocketHosts && be.DisableHostSanitize {
			for i, host := range be.Host {
				be.Host[i] = overHTTP(host)
			}
		}
		own := b.list(be.Node, be.Host, to, asIs)
		if be.Host = own.read; !own.sound {
			wrong(be)
		}
	}
	return len(b.unsound) == 0
}

// unsaid reports whether null stands in the place of the options of who calls a backend: what
// its hosts are is not known then.
func (c *compiler) unsaid(be *model.Backend) bool {
	extra := be.Node.GetFold("extra_config")
	return extra != nil && slices.ContainsFunc(extra.Members, func(m config.Member) bool {
		if m.Value.Kind != config.Null || m.Comment() {
			return false
		}
		d := c.Registry.Find(component.InBackend, m.Key)
		return d != nil && d.Hosts != nil
	})
}

// hasHost reports a backend that needs a host and has none.
func (c *compiler) hasHost(be *model.Backend, to callee) bool {
	if len(be.Host) > 0 || to.Read == nil {
		return true
	}
	c.report(be.Node, "host", config.Error, config.CodeInvalid, errors.New("no host; write a list of hosts here or at the root"))
	return false
}

// rootHosts returns the hosts of the root as the callee has them. All backends that call
// them alike share a list.
func (c *compiler) rootHosts(to callee) *hostList {
	if list := c.roots[to.Hosts]; list != nil {
		return list
	}
	s := c.g.Service
	list := c.list(s.Node, s.Host, to, func(string) bool { return false })
	if c.roots == nil {
		c.roots = make(map[*component.Hosts]*hostList)
	}
	c.roots[to.Hosts] = &list
	return &list
}

// list reads the hosts of n, and reports those that are wrong.
func (c *compiler) list(n *config.Node, hosts []string, to callee, asIs func(string) bool) hostList {
	list := hostList{make([]string, 0, len(hosts)), true}
	for i, host := range hosts {
		if to.Read == nil || asIs(host) {
			list.read = append(list.read, strings.Clone(host)) // which outlives the text that it is of
			continue
		}
		read, err := to.Read(host)
		if err == nil {
			list.read = append(list.read, read)
			continue
		}
		list.sound = false
		c.badHost(n, i, host, to, err)
	}
	return list
}

// callers returns the namespaces by which a host is called in another way than by HTTP, or would
// be with nothing behind its scheme.
func (c *compiler) callers(host string) (names []string) {
	scheme, _, found := strings.Cut(host, "://")
	for _, d := range c.Registry.All() {
		if !found || d.Scope != component.InBackend || d.Hosts == nil || d.Hosts.Read == nil {
			continue
		}
		_, err := d.Hosts.Read(host)
		if err != nil {
			_, err = d.Hosts.Read(scheme + "://")
		}
		if err == nil {
			names = append(names, d.Namespace)
		}
	}
	return names
}

// badHost reports a host that is wrong, unless it was not even read.
func (c *compiler) badHost(n *config.Node, i int, host string, to callee, err error) {
	what, instead := "", ""
	if names := c.callers(host); to.by == "" && len(names) > 0 {
		scheme, _, _ := strings.Cut(host, "://")
		err = fmt.Errorf("%s:// is called by %s; write that namespace in the extra_config of the backend", scheme, strings.Join(names, " or "))
	}
	if !strings.Contains(err.Error(), "; ") { // else it says what to do
		instead = "; write " + to.Form
	}
	if to.by != "" {
		what = " for " + to.by
		if n == c.g.Service.Node {
			instead += ", in the backend if others are called in another way"
		}
	}
	p := n.ProblemAt(n.ItemPath("host", i), config.Error, config.CodeInvalidHost,
		fmt.Errorf("host %s not valid%s: invalid host: %w%s", strconv.Quote(config.MaskWrong(host)), what, err, instead))
	known := func(q *config.Problem) bool { return q.Code != p.Code || q.Err.Error() == p.Err.Error() }
	if !slices.ContainsFunc(c.errors()[p.Path], known) {
		c.problems = append(c.problems, p)
	}
}
