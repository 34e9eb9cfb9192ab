package component

// last is work for the end of the building of a site.
type last struct {
	owner
	run func() error
}

// Finally registers what is done when everything at the site, and within it, is built:
// at that of a backend its components, at that of an endpoint those of its backends as
// well, at that of the service all. What they have decided is known then, such as
// [BackendSite.Call], [PipeSite.Answers] and what others gathered. F may place
// stages and report problems, but no slot of the service may be reserved any more. Its
// error is one of the build.
func (s *Site) Finally(f func() error) { s.last = append(s.last, last{s.owner, f}) }

// Finish runs what Finally registered, in the order of the building. It is called once.
func (s *Site) Finish() {
	for _, l := range s.last {
		s.run(l.owner, l.run)
	}
	s.last = nil
}

// Finish runs what Finally registered at the service, and lets go of what was gathered,
// since that holds on to the document.
func (s *ServiceSite) Finish() {
	s.Site.Finish()
	s.env.gathered = nil
}

// Finish runs what Finally registered at the backend, each with the site of the endpoint
// lent to it as in its build.
func (s *BackendSite) Finish() {
	for i, l := range s.last {
		s.last[i].run = func() error { return s.lend(l.run) }
	}
	s.Site.Finish()
}
