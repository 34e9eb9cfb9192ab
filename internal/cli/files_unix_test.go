//go:build unix

package cli

import (
	"fmt"
	"os"
	"os/exec"
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
