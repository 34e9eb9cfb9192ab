package wire

import (
	"errors"
	"strings"
	"testing"
)

func TestScanHead(t *testing.T) {
	tests := []struct {
		name, text string
		limits     Limits
		end        int
		status     int // of the error; 0 for none
	}{
		{"nothing yet", "", Limits{}, 0, 0},
		{"a beginning", "GET / HT", Limits{}, 0, 0},
		{"all but the last byte", "GET / HTTP/1.1\r\n\r", Limits{}, 0, 0},
		{"a head", "GET / HTTP/1.1\r\n\r\n", Limits{}, 18, 0},
		{"a head and more", "GET / HTTP/1.1\r\n\r\n\x00\n", Limits{}, 18, 0},
		{"tabs", "GET\t/\r\nA:\tb\t\r\n\r\n", Limits{}, 16, 0},
		{"exactly as large as allowed", "GET / HTTP/1.1\r\n\r\n", Limits{HeadBytes: 18}, 18, 0},
		{"one byte too large", "GET / HTTP/1.1\r\n\r\n", Limits{HeadBytes: 17}, 0, 431},
		{"a start line without end", "GET / HTTP/1.1\r\n\r\n", Limits{HeadBytes: 8}, 0, 414},
		{"as many fields as allowed", "GET / HTTP/1.1\r\nA: b\r\nC: d\r\n\r\n", Limits{Fields: 2}, 30, 0},
		{"one field too many", "GET / HTTP/1.1\r\nA: b\r\nC: d\r\n\r\n", Limits{Fields: 1}, 0, 431},
		{"TLS", "\x16\x03\x01\x02", Limits{}, 0, 400},
		{"a line feed", "GET / HTTP/1.1\n", Limits{}, 0, 400},
		{"white space first", "\tGET", Limits{}, 0, 400},
		{"an empty line first", "\r\n", Limits{}, 0, 400},
		{"a carriage return", "GET / HTTP/1.1\rX", Limits{}, 0, 400},
		{"a folded line", "GET / HTTP/1.1\r\nA: b\r\n ", Limits{}, 0, 400},
		{"a null byte", "GET / HTTP/1.1\r\nA: b\x00", Limits{}, 0, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			end, _, err := ScanHead([]byte(tt.text), 0, tt.limits)
			status := 0
			if e, ok := errors.AsType[*Error](err); ok {
				status = e.Status
			}
			if end != tt.end || status != tt.status {
				t.Errorf("end %d, %v, want %d and status %d", end, err, tt.end, tt.status)
			}
		})
	}
}

// FuzzScanHead scans a text byte by byte, and at once: the outcome is the same.
// What is scanned without complaint has the lines it seems to have.
func FuzzScanHead(f *testing.F) {
	f.Add([]byte(browser), 100, 3)
	f.Add([]byte("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\nmore"), 20, 0)
	f.Add([]byte("a\r\n\tb"), 0, 1)
	f.Fuzz(func(t *testing.T, text []byte, headBytes, fields int) {
		l := Limits{headBytes, fields}
		end, scanned, err := ScanHead(text, 0, l)
		var stepEnd, stepScanned int
		var stepErr error
		for n := 0; n <= len(text) && stepEnd == 0 && stepErr == nil; n++ {
			before := stepScanned
			stepEnd, stepScanned, stepErr = ScanHead(text[:n], stepScanned, l)
			if stepScanned < before || stepScanned > n {
				t.Fatalf("scanned %d of %d after %d", stepScanned, n, before)
			}
		}
		if end != stepEnd || (err == nil) != (stepErr == nil) || err == nil && end == 0 && scanned != stepScanned {
			t.Fatalf("%q: at once %d, %v; byte by byte %d, %v", text, end, err, stepEnd, stepErr)
		}
		if end == 0 {
			return
		}
		head, ok := strings.CutSuffix(string(text[:end]), "\r\n\r\n")
		if !ok || head == "" {
			t.Fatalf("%q does not end as a head", head)
		}
		for line := range strings.SplitSeq(head, "\r\n") {
			if line == "" || line[0] == ' ' || line[0] == '\t' || strings.ContainsAny(line, "\r\n\x00\x7f") {
				t.Fatalf("line %q", line)
			}
		}
	})
}
