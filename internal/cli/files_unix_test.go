//go:build unix

package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestNamedFiles refuses what is no regular file, or too large, wherever a
// configuration names a file: nothing hangs and nothing is read without end.
func TestNamedFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("folder", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo("pipe", 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("pipe", "link"); err != nil {
		t.Fatal(err)
	}
	write(t, "large", strings.Repeat(" ", 1<<20+1))
	writeCertificate(t, 1, "cert.pem", "key.pem")
	files := map[string]string{
		"folder":    "is a directory; name a regular file",
		"pipe":      "is a named pipe; name a regular file",
		"link":      "is a named pipe; name a regular file",
		"/dev/zero": "is a device; name a regular file",
		"large":     "holds more than 1 MiB; name a file that holds no more than what is meant",
	}
	const service = `{"version": 3, %s "endpoints": [{"endpoint": "/x"%s, "backend": [{"url_pattern": %q, "host": ["http://a"]%s}]}]}`
	places := map[string]func(file string) string{
		"reference": func(file string) string { return fmt.Sprintf(service, "", "", "/${file:"+file+"}", "") },
		"tls": func(file string) string {
			return fmt.Sprintf(service, fmt.Sprintf(`"tls": {"keys": [{"public_key": "cert.pem", "private_key": %q}]},`, file), "", "/", "")
		},
		"client_tls": func(file string) string {
			return fmt.Sprintf(service, fmt.Sprintf(`"client_tls": {"ca_certs": [%q]},`, file), "", "/", "")
		},
		"client_tls of a backend": func(file string) string {
			return fmt.Sprintf(service, "", "", "/", fmt.Sprintf(`, "extra_config": {"backend/http/client": {"client_tls": {"client_certs": [{"certificate": %q, "private_key": "key.pem"}]}}}`, file))
		},
		"key set": func(file string) string {
			return fmt.Sprintf(service, "", fmt.Sprintf(`, "extra_config": {"auth/validator": {"alg": "HS256", "jwk_local_path": %q}}`, file), "/", "")
		},
		"authority of a key set": func(file string) string {
			return fmt.Sprintf(service, "", fmt.Sprintf(`, "extra_config": {"auth/validator": {"alg": "RS256", "jwk_url": "https://k", "jwk_local_ca": %q}}`, file), "/", "")
		},
	}
	for place, text := range places {
		for file, want := range files {
			t.Run(place+"/"+strings.TrimPrefix(file, "/dev/"), func(t *testing.T) {
				got := invoke(t, "check", "-c", write(t, "gateway.json", text(file)))
				if got.code != 1 || !strings.Contains(got.stdout+got.stderr, want) || !strings.Contains(got.stdout+got.stderr, file) {
					t.Errorf("exit code %d, want 1 and %q about %s:\n%s%s", got.code, want, file, got.stdout, got.stderr)
				}
			})
		}
	}

	// The configuration itself may come through a pipe.
	shell := exec.Command("sh", "-c", program+" check -c /dev/stdin")
	shell.Stdin = strings.NewReader(fmt.Sprintf(service, "", "", "/", ""))
	if out, err := shell.CombinedOutput(); err != nil {
		t.Errorf("a configuration through a pipe: %v\n%s", err, out)
	}
	if got := invoke(t, "check", "-c", "/dev/zero"); got.code != 1 || !strings.Contains(got.stdout+got.stderr, "holds more than 64 MiB") {
		t.Errorf("a configuration without an end: exit code %d:\n%s%s", got.code, got.stdout, got.stderr)
	}
}

// TestStopWhileReading: a stop that comes while the gateway waits for its configuration,
// at the start or at a reload, is not kept waiting, and no failure of anything.
func TestStopWhileReading(t *testing.T) {
	for _, tt := range []struct {
		name    string
		reloads bool // it has a configuration, and waits for another one
		writer  bool // somebody has the pipe open and writes nothing
		want    string
	}{
		{"start without a text", false, true, "stopped before anything was served"},
		{"reload without a writer", true, false, "stopping, requests in flight may end"},
		{"reload without a text", true, true, "reload given up, because the gateway stops"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := syscall.Mkfifo("gateway.json", 0o600); err != nil {
				t.Fatal(err)
			}
			open := func() *os.File { // waits until the program reads
				f, err := os.OpenFile("gateway.json", os.O_WRONLY, 0)
				if err != nil {
					t.Error(err)
				}
				t.Cleanup(func() { f.Close() })
				return f
			}
			p := &process{cmd: exec.Command(program, "run", "-p", "0", "-c", "gateway.json")}
			p.cmd.Stdout, p.cmd.Stderr = p, p
			if tt.reloads {
				go func() {
					f := open()
					io.WriteString(f, minimal)
					f.Close()
				}()
				p.serve(t)
				p.signal(t, syscall.SIGHUP)
			} else {
				p.start(t)
			}
			if tt.writer {
				open()
			}
			p.signal(t, syscall.SIGTERM)
			if code := p.wait(t); code != 0 || strings.Count(p.log(), tt.want) != 1 {
				t.Errorf("exit code %d, want 0 and %q once:\n%s", code, tt.want, p.log())
			}
			if strings.Contains(p.log(), "ERROR") || strings.Contains(p.log(), "context") {
				t.Errorf("a stop is told as a failure:\n%s", p.log())
			}
		})
	}
}

// TestSendReading: the body of a request may come through a pipe, and a stop that comes
// while that is waited for ends the program.
func TestSendReading(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "gateway.json", minimal)
	shell := exec.Command(program, "explain", "-c", "gateway.json", "--send", "--data", "@-", "GET", "/__health")
	shell.Stdin = io.LimitReader(strings.NewReader("through a pipe"), 100) // no file, so a pipe
	if out, err := shell.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "GET /__health: 200") {
		t.Errorf("a body through a pipe: %v\n%s", err, out)
	}
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	socket, peer := os.NewFile(uintptr(ends[0]), "socket"), os.NewFile(uintptr(ends[1]), "peer")
	defer socket.Close()
	io.WriteString(peer, "through a socket")
	peer.Close()
	shell = exec.Command(program, "explain", "-c", "gateway.json", "--send", "--data", "@-", "GET", "/__health")
	shell.Stdin = socket
	if out, err := shell.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "GET /__health: 200") {
		t.Errorf("a body through a socket: %v\n%s", err, out)
	}
	if err := syscall.Mkfifo("pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		p := &process{cmd: exec.Command(program, "explain", "-c", "gateway.json", "--send", "--data", "@pipe", "GET", "/__health")}
		p.cmd.Stdout, p.cmd.Stderr = p, p
		p.start(t)
		opened := make(chan *os.File)
		go func() {
			f, err := os.OpenFile("pipe", os.O_WRONLY, 0) // waits until the program reads
			if err != nil {
				t.Error(err)
			}
			opened <- f
		}()
		var f *os.File
		select {
		case f = <-opened:
		case <-p.ended:
			r, err := os.OpenFile("pipe", os.O_RDONLY|syscall.O_NONBLOCK, 0) // so that the writer does not wait for ever
			if err == nil {
				defer r.Close()
			}
			f = <-opened
		}
		p.signal(t, s)
		if code := p.wait(t); code != exitUsage || p.log() != "sluice: stopped before pipe was read\n" {
			t.Errorf("%v: exit code %d:\n%s", s, code, p.log())
		}
		f.Close()
	}
}

// TestForeignWords shows control characters of a configuration, wherever they are
// reported or printed, instead of sending them to a terminal.
func TestForeignWords(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "good.json", `{"version": 3, "name": "a\u001b[2J\u009b\u202e", "endpoints": [{"endpoint": "/x", "backend": [{"url_pattern": "/", "host": ["http://a"]}]}]}`)
	write(t, "bad.json", `{"version": 3, "nam\u001b[2J\u009b\u202e": 1, "endpoints": [{"endpoint": "/x\u001b", "backend": [{"url_pattern": "/", "host": ["http://a\u001b[2J\u009b\u202e"]}]}]}`)
	for _, args := range [][]string{
		{"check", "-c", "bad.json"}, {"check", "--format", "json", "-c", "bad.json"}, {"check", "--format", "sarif", "-c", "bad.json"},
		{"check", "-d", "-c", "good.json"}, {"check", "-ddd", "-c", "good.json"}, {"run", "-c", "bad.json"},
		{"explain", "-c", "bad.json", "/x"}, {"explain", "-c", "good.json", "/\x1b[2J\u009b\u202e"}, {"check", "-c", "good.json", "\x1b[2J\u009b\u202e"}, {"\x1b[2J\u009b\u202e"},
		{"check", "-c", "\x1b[2J\u009b\u202e.json"},
	} {
		got := invoke(t, args...)
		all := got.stdout + got.stderr
		if strings.ContainsAny(all, "\x1b\u009b\u202e") || !strings.Contains(all, `[2J`) {
			t.Errorf("%q: exit code %d:\n%q", args, got.code, all)
		}
		if slices.Contains(args, "json") && !json.Valid([]byte(got.stdout)) {
			t.Errorf("%q: no JSON:\n%s", args, got.stdout)
		}
	}
}
