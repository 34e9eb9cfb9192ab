package engine

import (
	"errors"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// Sendable reports whether a field may be sent as it is: it is well-formed, and not
// [gateway.PerHop].
func Sendable(f gateway.Field) bool {
	return !gateway.PerHop(f.Name) && gateway.Token(f.Name) && ValidValue(f.Value)
}

// Hints reports whether something of a hint may be sent: else it says nothing.
func Hints(header gateway.Fields) bool { return slices.ContainsFunc(header, Hintable) }

// Hintable reports whether a field of a hint may be sent.
func Hintable(f gateway.Field) bool { return Sendable(f) && !gateway.Completes(f.Name) }

// MaxHints is how many hints a server sends before an answer at most; see [gateway.Hinter].
const MaxHints = 16

// WantsTrailers reports whether a client says that it takes fields behind a body (RFC
// 9110, section 10.1.4).
func WantsTrailers(in gateway.Inbound) bool {
	if v := in.Header("Te"); v == "" || gateway.Listed(v, "trailers") {
		return v != ""
	}
	var room [4]gateway.Field
	for _, line := range in.AppendHeader(room[:0], "Te") {
		if gateway.Listed(line.Value, "trailers") {
			return true
		}
	}
	return false
}

// Trailers returns the fields of an answer that are sent behind its body, which has been
// read: in HTTP/1.1 to a client that says that it takes them, in HTTP/2 to everyone. What
// is no field, or must not be there as [gateway.MayTrail] has it, is taken out of r.Trailer.
func Trailers(in gateway.Inbound, r *gateway.Response) gateway.Fields {
	if r.Trailer == nil || len(*r.Trailer) == 0 {
		return nil
	}
	switch in.Proto() {
	case "HTTP/1.0":
		return nil
	case "HTTP/1.1":
		if !WantsTrailers(in) {
			return nil
		}
	}
	*r.Trailer = slices.DeleteFunc(*r.Trailer, func(f gateway.Field) bool { return !Sendable(f) || !gateway.MayTrail(f.Name) })
	return *r.Trailer
}

// NoSniff reports whether a value of X-Content-Type-Options forbids to guess the type
// of an answer: the Fetch standard, section 3.6.
func NoSniff(v string) bool {
	first, _, _ := strings.Cut(v, ",")
	return strings.EqualFold(strings.Trim(first, " \t"), "nosniff")
}

// ValidValue reports whether v may be the value of a field: it holds no
// control character but tabs (RFC 9110, section 5.5).
func ValidValue(v string) bool {
	const every = 0x0101010101010101
	for len(v) >= 8 {
		w := uint64(v[0]) | uint64(v[1])<<8 | uint64(v[2])<<16 | uint64(v[3])<<24 |
			uint64(v[4])<<32 | uint64(v[5])<<40 | uint64(v[6])<<48 | uint64(v[7])<<56
		del := w ^ 0x7f*every
		if ((w-' '*every)&^w|(del-every)&^del)&(0x80*every) != 0 {
			break // a byte below a space, maybe a tab, or one that only may be
		}
		v = v[8:]
	}
	for i := range len(v) {
		if c := v[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// ValidRequest reports whether a request can be sent as it is: a method that
// is a token, a path from the root, and neither spaces nor control characters
// where they would end the request line or a field.
func ValidRequest(r *gateway.Request) bool {
	if !gateway.Token(r.Method) || r.Path == "" || r.Path[0] != '/' || !printable(r.Path) || !printable(r.RawQuery) || !ValidValue(r.Upgrade) {
		return false
	}
	for _, f := range r.Header {
		if !gateway.Token(f.Name) || !ValidValue(f.Value) {
			return false
		}
	}
	return true
}

// Unsendable is the failure of a request that cannot be sent as it is; why is for the
// operator.
func Unsendable(why string) error {
	return &gateway.Error{Status: 400, Code: gateway.CodeBadRequest, Public: "the request cannot be sent", Err: errors.New(why)}
}

// printable reports whether s holds neither spaces nor control characters.
func printable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}
