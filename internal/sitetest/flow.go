package sitetest

import (
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
)

// Flow is a component for tests of others that act in pipes: the namespace test/flow of a
// backend, whose options are written like an endpoint and answer its call.
var Flow = component.Backend(component.Info{Namespace: "test/flow", Pipes: component.InWorkflow, Hosts: component.Verbatim},
	func(s *component.BackendSite, o flow) error {
		return s.Connector(s.Pipe(component.InWorkflow, &model.Endpoint{
			Endpoint: "/flow", Backend: o.Backend, OutputEncoding: o.OutputEncoding, ExtraConfig: o.ExtraConfig, Node: o.Node,
		}))
	})

type flow struct {
	Backend        []*model.Backend        `json:"backend"`
	OutputEncoding model.OutputEncoding    `json:"output_encoding"`
	ExtraConfig    map[string]*config.Node `json:"extra_config"`
	Node           *config.Node            `json:"-"`
}

func (flow) Scope() string { return string(component.InWorkflow) }
