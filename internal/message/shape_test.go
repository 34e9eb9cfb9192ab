package message

import (
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
)

// TestRemedy checks that the operator reads what to write when a service answers
// another kind of document than the one that is decoded, and that clients do not.
func TestRemedy(t *testing.T) {
	tests := []struct {
		encoding   model.Encoding
		collection bool
		text       string
		want       string // in the text for operators; "" for none
	}{
		{"json", false, `[1]`, `"is_collection": true`},
		{"fast-json", false, `[1]`, `"is_collection": true`},
		{"json", false, `"a"`, `"encoding": "safejson"`},
		{"json", true, `{"a":1}`, `remove "is_collection"`},
		{"yaml", false, "- 1\n", `"is_collection": true`},
		{"yaml", true, "a: 1\n", `remove "is_collection"`},
		{"json", false, `{"a":`, ""},
		{"yaml", false, `{"a":`, ""},
	}
	for _, tt := range tests {
		s := NewShape(&model.Service{Behaviour: model.BehaviourOf(model.Sluice)}, &model.Backend{Encoding: tt.encoding, IsCollection: tt.collection}, nil)
		x := testx.Request{}.Exchange(t)
		x.Response.Status, x.Response.Body = 200, body.FromBytes([]byte(tt.text))
		e := gateway.AsError(s.Leave(t.Context(), x, nil))
		if e == nil || e.Code != gateway.CodeBackendInvalid {
			t.Fatalf("%s %s: error %v, want %s", tt.encoding, tt.text, e, gateway.CodeBackendInvalid)
		}
		for _, word := range []string{"is_collection", "safejson"} {
			if strings.Contains(e.Public, word) || tt.want == "" && strings.Contains(e.Error(), word) {
				t.Errorf("%s %s: %v, for clients %q: %s has no place there", tt.encoding, tt.text, e, e.Public, word)
			}
		}
		if !strings.Contains(e.Error(), tt.want) {
			t.Errorf("%s %s: %v, want %s", tt.encoding, tt.text, e, tt.want)
		}
	}
}
