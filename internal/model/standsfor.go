package model

import (
	"cmp"
	"reflect"

	"github.com/sluice-gateway/sluice/internal/config"
)

// held is how much of a body is held in memory where no key says otherwise.
const held config.Size = 32 << 20

// StandsFor returns what holds without a key; see [config.StandsFor]. Bodies of requests that
// are held have a limit then, and those that stream none.
func (s Service) StandsFor(key string) any {
	switch {
	case key == "max_response_bytes" && s.MaxResponseBytes == nil:
		return held
	case key == "max_body_bytes" && s.MaxBodyBytes == nil:
		return []config.Size{held, 0}
	case key == "max_header_bytes" && s.MaxHeaderBytes == 0:
		return 1_000_000
	case key == "idle_timeout" && s.IdleTimeout == 0:
		return cmp.Or(s.ReadTimeout, s.ReadHeaderTimeout)
	}
	return nil
}

// StandsFor returns what holds without a key; see [config.StandsFor].
func (e Endpoint) StandsFor(key string) any {
	if key == "max_response_bytes" && e.MaxResponseBytes == nil || key == "max_body_bytes" && e.MaxBodyBytes == nil {
		return config.Above{}
	}
	return nil
}

// StandsFor returns what holds without a key; see [config.StandsFor].
func (b Backend) StandsFor(key string) any {
	if key == "max_response_bytes" && b.MaxResponseBytes == nil {
		return config.Above{}
	}
	return nil
}

// Standing returns a value of s that nobody wrote, as the absence of its key or of its
// namespace means it.
func Standing(s *config.Spec, v reflect.Value) *Effect {
	r := resolved{service: new(Service), options: func(string, string) *config.Spec { return nil }}
	return r.value(s, v, nil)
}
