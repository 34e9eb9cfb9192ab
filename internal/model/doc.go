// Package model has the objects of a configuration that belong to no component: the
// [Service], its endpoints and their backends.
//
// [Resolve] reads them from a document: defaults of the dialect, what endpoints inherit
// from the service and backends from both, and problems at their places. Components have
// option types of their own; the nodes of their namespaces stand in ExtraConfig.
// [Service.Effect] is the way back, for those who ask what is in effect.
package model
