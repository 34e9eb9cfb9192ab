package cors

import (
	"strings"
	"testing"
)

// TestDoubts holds what is said of an origin against what it matches: what is advised is
// not doubted itself.
func TestDoubts(t *testing.T) {
	tests := []struct{ origin, write string }{ // "" for no doubt
		{"https://a.example", ""},
		{"https://a.example:8443", ""},
		{"http://a.example:443", ""},
		{"https://*.a.example", ""},
		{"http://localhost:*", ""},
		{"http://localhost*", ""},
		{"https://*", ""},
		{"http://[::1]:3000", ""},
		{"http://[::1]", ""},
		{"HTTPS://A.Example", ""},
		{"chrome-extension://abcdefgh", ""},
		{"capacitor://localhost", ""},
		{"https://under_score.example", ""},
		{"https://a.example/app", "https://a.example"},
		{"https://a.example?x", "https://a.example"},
		{"https://a.example#x", "https://a.example"},
		{"https://u:p@a.example", "https://a.example"},
		{"https://a.example:443", "https://a.example"},
		{"http://a.example:80", "http://a.example"},
		{"http://[::1]:80", "http://[::1]"},
		{"https://*.a.example:443", "https://*.a.example"},
		{"https://a.example:", "https://a.example"},
		{"https://a.example:x", "https://a.example"},
		{"https://a.example:70000", "https://a.example"},
		{"https://a.example:08443", "https://a.example:8443"},
		{" https://a.example", "https://a.example"},
		{"https://a.example ", "https://a.example"},
		{"https://a .example", "https://a.example"},
		{"https://", "https://*"},
		{"http*", "https://*"},
		{"http*://a.example", "https://a.example"},
		{"*://a.example", "https://a.example"},
		{"https:*", "https://*"},
		{"https:/a.example", "https://a.example"},
		{"a.example", "https://a.example"},
		{"//a.example", "https://a.example"},
		{"*.a.example", "https://*.a.example"},
	}
	for _, tt := range tests {
		err := doubt(tt.origin)
		if tt.write == "" {
			if err != nil {
				t.Errorf("%s: %v, want no doubt", tt.origin, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), `write "`+tt.write+`"`) {
			t.Errorf("%s: %v, want the advice to write %q", tt.origin, err, tt.write)
		}
		if again := doubt(tt.write); again != nil {
			t.Errorf("%s: the advice %s is doubted: %v", tt.origin, tt.write, again)
		}
	}
	if err := doubt("https://grün.example"); err == nil || !strings.Contains(err.Error(), "xn--") {
		t.Errorf("a name beyond ASCII: %v", err)
	}
}
