package nethttp

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
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

// TestLateAnswersAreNoCuts: streams that may have been reset because an answer took
// too long say nothing about the client.
func TestLateAnswersAreNoCuts(t *testing.T) {
	const hour = time.Hour
	tests := []struct {
		name   string
		limit  time.Duration // of answers
		ago    time.Duration // when the exchanges began
		until  time.Duration // from now on, to their end; 0 is none
		closed bool
	}{
		{"without a limit", 0, hour, 0, true},
		{"well before the limit", hour, 0, 0, true},
		{"at the limit", hour, hour, 0, false},
		{"before their own end", 0, 0, hour, true},
		{"after their own end", 0, 0, -hour, false},
	}
	for _, tt := range tests {
		client, conn := net.Pipe()
		defer client.Close()
		ctx, cancel := context.WithCancel(withPeer(t.Context(), conn))
		cancel()
		s := &server{}
		s.http.WriteTimeout = tt.limit
		s.http.ErrorLog = log.New(io.Discard, "", 0)
		r := (&http.Request{ProtoMajor: 2}).WithContext(ctx)
		started, until := time.Now().Add(-tt.ago), time.Time{}
		if tt.until != 0 {
			until = time.Now().Add(tt.until)
		}
		for range maxCut + 1 {
			s.watch(r, started, until)
		}
		err := conn.SetDeadline(time.Time{}) // all that a pipe tells without a peer
		if closed := err != nil; closed != tt.closed {
			t.Errorf("%s: closed %t, want %t", tt.name, closed, tt.closed)
		}
	}
}
