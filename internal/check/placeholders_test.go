package check

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/jsonspan"
	"github.com/sluice-gateway/sluice/internal/message"
	"github.com/sluice-gateway/sluice/internal/model"
)

// TestUndelivered holds what is said of placeholders against the projection that
// answers go through: a value is said to be never there exactly if no answer leads
// to one. Of what lists hold nothing is said.
func TestUndelivered(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	names := []string{"a", "b", "c"}
	path := func(most int) []string {
		p := make([]string, 1+r.IntN(most))
		for i := range p {
			p[i] = names[r.IntN(len(names))]
		}
		return p
	}
	var answers []string // each holds one value
	for _, a := range names {
		for _, b := range names {
			for _, c := range names {
				answers = append(answers, `{"`+a+`":{"`+b+`":{"`+c+`":1}}}`)
			}
		}
	}
	objects := answers
	said := 0
	for i := range 20_000 {
		be := &model.Backend{Encoding: "json", Mapping: make(map[string]string)}
		answers, names = objects, []string{"a", "b", "c"}
		if be.IsCollection = i%4 == 0; be.IsCollection {
			answers, names = []string{`[1]`}, []string{"a", "b", "collection"}
		}
		for range r.IntN(3) {
			be.Mapping[names[r.IntN(len(names))]] = names[r.IntN(len(names))]
		}
		filters := func() (list []string) {
			for range 1 + r.IntN(2) {
				list = append(list, strings.Join(path(2), "."))
			}
			return list
		}
		switch r.IntN(3) {
		case 0:
			be.Allow = filters()
		case 1:
			be.Deny = filters()
		}
		wanted := path(2)
		if r.IntN(3) == 0 {
			be.Group = "g"
			if r.IntN(4) > 0 {
				wanted = append([]string{"g"}, wanted...)
			}
		}
		projection := message.NewShape(&model.Service{}, be, nil).Projection
		there := slices.ContainsFunc(answers, func(answer string) bool {
			var o jsonspan.Object
			if err := projection.Apply(&o, []byte(answer)); err != nil {
				t.Fatal(err)
			}
			_, found := jsonspan.Lookup(o.AppendJSON(nil), wanted...)
			return found
		})
		why := undelivered(be, false, wanted)
		if there != (why == "") && !(be.IsCollection && !there) {
			t.Fatalf("%s of %+v: there: %v; said: %q", wanted, jsonspan.Rules{Allow: be.Allow, Deny: be.Deny, Mapping: be.Mapping, Group: be.Group}, there, why)
		}
		if why != "" {
			said++
		}
	}
	if said < 1000 {
		t.Errorf("only %d values are never there", said)
	}
}
