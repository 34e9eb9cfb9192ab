package ratelimit

import "testing"

// FuzzSpelling checks that a spelling is its own, but for the schemes that it leaves out
// or spells out, and that no letter case, blanks or schemes make another of it.
func FuzzSpelling(f *testing.F) {
	for _, seed := range []string{"", "t", "x.y.z", "dTpw", "dTpw==", "d!T.pw", "dT_-", "A", "ABCDE", "=", "\xff", "é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, credential string) {
		for _, spellings := range [][]string{
			{"Bearer " + credential, "bearer  " + credential, "BEARER\t" + credential + " "},
			{"Basic " + credential, "basic \t " + credential, "BASIC " + credential + "=", "Basic ." + credential},
			{"Token " + credential, "token   " + credential},
		} {
			for _, other := range spellings[1:] {
				if a, b := spelling(spellings[0]), spelling(other); a != b {
					t.Errorf("%q is %q, and %q is %q", spellings[0], a, other, b)
				}
			}
		}
	})
}

func TestSpelling(t *testing.T) {
	for value, want := range map[string]string{
		"":                    "",
		"abc":                 "abc",
		"Bearer abc":          "abc",
		"Bearer":              "Bearer",
		"Token ABC":           "token ABC",
		"Digest a=\"B\", c=d": "digest a=\"B\", c=d",
		"Basic dTpw":          "basic u:p",
		"Basic dTpQ":          "basic u:P",
	} {
		if got := spelling(value); got != want {
			t.Errorf("%q counts as %q, want %q", value, got, want)
		}
	}
	if spelling("Basic dT-_") != spelling("Basic dT+/") {
		t.Error("the alphabets of base64 are two clients")
	}
}
