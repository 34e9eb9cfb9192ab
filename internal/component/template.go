package component

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/template"
)

// A Written is a text with placeholders that options have, compiled.
type Written struct {
	template.Text
	Key  string       // relative to Node
	Node *config.Node // the options; nil when the component is implicit
}

// Template compiles a text with placeholders that the options have at key, for the place
// where it goes; the error is one of the build. The text is like a url_pattern: it may have
// the same placeholders, one that never has a value is reported, and one of a header or a
// claim makes the answer one for its client alone, see [BackendSite.Personal]. Where there
// are several backends, a request that lacks a header or a parameter of it is refused before
// anybody is called.
func (s *BackendSite) Template(key, text string, place template.Place) (template.Text, error) {
	t, err := template.Parse(text, place, s.Params())
	if name, undefined := errors.AsType[template.Undefined](err); undefined {
		err = fmt.Errorf("{%s} names nothing; %s", string(name), Placeholders(name, s.Params()))
	}
	if err != nil {
		return t, config.At(key, err)
	}
	for _, p := range t.Parts() {
		if p.From == template.FromHeader || p.From == template.FromClaim {
			s.Personal()
		}
	}
	s.written = append(s.written, Written{t, key, s.node})
	return t, nil
}

// Placeholders says what to write instead of a placeholder that names nothing: a variable
// that it may be meant for, or the only one, and what there is.
func Placeholders(of template.Undefined, params []string) string {
	const all = "use a variable of the endpoint, {respN_field}, {JWT.claim}, {input_headers.Name} or {input_query_strings.name}"
	name := string(of)
	near, found := config.Suggest(name, params)
	if !found && len(params) == 1 && !strings.Contains(name, ".") {
		a, b := config.Letters(name), config.Letters(params[0])
		near, found = params[0], strings.HasSuffix(a, b) || strings.HasSuffix(b, a)
	}
	if !found {
		return all
	}
	return fmt.Sprintf("did you mean {%s}? else %s", near, all)
}
