package yamlx

import "testing"

func TestReadable(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"1.2", "%YAML 1.2\n---\na: 1\n", "%YAML 1.1\n---\na: 1\n"},
		{"1.2 behind a comment and another directive", "# x\r\n\r\n%TAG ! x\n%YAML 1.2 \r\n---\n", "# x\r\n\r\n%TAG ! x\n%YAML 1.1 \r\n---\n"},
		{"1.2 and a comment", "%YAML 1.2 # new\n---\na: 1\n", "%YAML 1.1 # new\n---\na: 1\n"},
		{"1.1 stays", "%YAML 1.1\n---\na: 1\n", "%YAML 1.1\n---\na: 1\n"},
		{"2.0 stays", "%YAML 2.0\n---\na: 1\n", "%YAML 2.0\n---\na: 1\n"},
		{"1.20 stays", "%YAML 1.20\n---\na: 1\n", "%YAML 1.20\n---\na: 1\n"},
		{"within the document", "a: |\n  b\n%YAML 1.2\n", "a: |\n  b\n%YAML 1.2\n"},
		{"no directive", "a: 1\n", "a: 1\n"},
		{"nothing", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := []byte(tt.in)
			if got := string(Readable(in)); got != tt.want {
				t.Errorf("Readable(%q) = %q, want %q", tt.in, got, tt.want)
			}
			if string(in) != tt.in {
				t.Errorf("Readable(%q) changed its argument to %q", tt.in, in)
			}
		})
	}
}
