// Command bench measures the gateway against nginx, HAProxy and a plain gateway
// in Go (package peer) on one machine, and prints the comparison as Markdown.
// "make bench" builds and runs it; docs/performance.md tells how to read what
// it prints.
//
//	bench [-sluice FILE] [-engine NAME] [-cases LIST] [-peers LIST] [-rounds N] [-secs N]
//
// It makes the answers of a backend, starts the backend, the gateway and its
// peers on free ports of 127.0.0.1, and looks at an answer of everybody to
// every case: no-op must give the bytes of the backend, everything else the
// JSON value worked out here. Then it measures in rounds that go over the peers
// forwards and backwards in turn. Gateway and peers run on one core, the
// backend and the load generator on another.
//
// The backend and the load generator are the two C programs in the folder c,
// which gcc compiles at the start: in Go they would cost more than what they
// measure. The generator looks at status and length of every answer; the first
// that is wrong ends the run.
//
// Everything is bounded: windows by -secs, their number by -rounds, and each
// wait for a process by half a minute. bench ends what it started, and nothing
// else, and removes its temporary folder, when it is interrupted too.
//
// It needs Linux, gcc and taskset. nginx and HAProxy are installed with apt-get
// if they are missing and the user is root; otherwise they are left out.
package main
