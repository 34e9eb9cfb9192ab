package proxy

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// TestNested rearranges the answer of a pipe in a backend, whose calls follow each other.
func TestNested(t *testing.T) {
	g := sitetest.New(t)
	g.Registry = component.NewRegistry(append(declarations(), sitetest.Flow)...)
	g.Answer = sitetest.JSON(`{"a":1,"l":[{"b":2,"c":3}]}`)
	document := func(options string) string {
		return `{"version":3,"host":["http://up"],"endpoints":[{"endpoint":"/x","backend":[{"url_pattern":"/outer","allow":["l","s"],"extra_config":{"test/flow":{
			"extra_config":{"proxy":{` + options + `}},
			"backend":[{"url_pattern":"/one"},{"url_pattern":"/{resp0_a}","group":"g"}]}}}]}]}`
	}
	got := sitetest.Ask(t, g.Compile(t, document(`"sequential":true,"flatmap_filter":[{"type":"del","args":["l.*.b"]}],"static":{"strategy":"always","data":{"s":true}}`)),
		testx.Request{Method: "GET", Path: "/x"})
	if want := `{"l":[{"c":3}],"s":true}`; got.Status != 200 || got.Text != want {
		t.Errorf("got %d %s, %v; want %s", got.Status, got.Text, got.Err, want)
	}
	_, problems := g.Check(t, document(`"sequential":true,"upgrade":["websocket"]`))
	path := `endpoints[0].backend[0].extra_config["test/flow"].extra_config.proxy.upgrade`
	if !slices.ContainsFunc(problems, func(p *config.Problem) bool {
		return p.Path == path && strings.Contains(p.Err.Error(), "where no client is")
	}) {
		t.Errorf("want %s to have no effect, got\n%s", path, config.Format(problems))
	}
}
