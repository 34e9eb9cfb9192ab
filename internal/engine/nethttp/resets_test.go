package nethttp

import (
	"net"
	"testing"
	"time"
)

func TestPeerCount(t *testing.T) {
	const cut, finished = true, false
	tests := []struct {
		name   string
		rounds int
		ends   []bool // of each round
		closed bool
	}{
		{"a client that cuts as many as it lets finish goes on", 10 * maxCut, []bool{cut, finished}, false},
		{"a client that cuts as many as it may goes on", maxCut, []bool{cut}, false},
		{"a client that cuts one more does not", maxCut + 1, []bool{cut}, true},
		{"a client that cuts most of them does not", maxCut + 1, []bool{cut, finished, cut}, true},
		{"what was finished before does not count for ever", maxCut + 1, []bool{finished, finished, finished, cut, cut, cut, cut}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client, server := net.Pipe()
			defer client.Close()
			p, said := &peer{conn: server}, 0
			for range tt.rounds {
				for _, end := range tt.ends {
					if p.count(end) != nil {
						said++
					}
				}
			}
			err := server.SetDeadline(time.Time{}) // all that a pipe tells without a peer
			if closed := err != nil; closed != tt.closed || closed != (said > 0) || said > 1 {
				t.Errorf("closed: %t, said %d times; want %t, and said once if so", closed, said, tt.closed)
			}
		})
	}
}
