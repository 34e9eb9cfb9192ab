package component

import "github.com/sluice-gateway/sluice/internal/config"

// A Gathered value is what one component has told the service.
type Gathered[T any] struct {
	Value T

	from owner
}

// Namespace returns the namespace of the component.
func (g Gathered[T]) Namespace() string { return g.from.name }

// At returns where the component stands, for messages to others; a zero place if the
// configuration does not name it.
func (g Gathered[T]) At() config.Pos {
	if g.from.node == nil {
		return config.Pos{}
	}
	return g.from.node.Pos
}

// Error returns err as one of the key of the component's options, "" for the component
// itself, wherever it stands in the configuration. Whoever is told returns it from its
// own build.
func (g Gathered[T]) Error(key string, err error) error {
	if g.from.node == nil {
		return err
	}
	return g.from.node.ProblemAt(key, config.Error, config.CodeInvalid, err)
}

// Warn is Error for what is allowed and probably not meant. It reports err at s.
func (g Gathered[T]) Warn(s *ServiceSite, key string, err error) {
	if g.from.node != nil {
		s.problems = append(s.problems, g.from.node.ProblemAt(key, config.Warning, config.CodeSuspicious, err))
	}
}

// Gather tells the service v, from any site: many speak, one listens. [Provide] is the
// other way.
func Gather[T any](s *Site, k Key[T], v T) {
	if s.env.gathered == nil {
		s.env.gathered = make(map[any]any)
	}
	all, _ := s.env.gathered[k].([]Gathered[T])
	s.env.gathered[k] = append(all, Gathered[T]{v, s.owner})
}

// All returns what was gathered under k: that of the service first, then that of each
// endpoint in the order of the document, followed by that of its backends, and of one
// site in the order of building. It is complete in [Site.Finally] of the service.
func All[T any](s *ServiceSite, k Key[T]) []Gathered[T] {
	all, _ := s.env.gathered[k].([]Gathered[T])
	return all
}
