package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// versions are those of the packages that Debian 12 has. A newer release has
// newer ones; then those are taken.
var versions = map[string]string{"nginx": "1.22.*", "haproxy": "2.6.*"}

// find returns the file of a program, also of one that only root has in PATH.
func find(name string) (string, bool) {
	if file, err := exec.LookPath(name); err == nil {
		return file, true
	}
	file := filepath.Join("/usr/sbin", name)
	_, err := os.Stat(file)
	return file, err == nil
}

// install gets a program with apt-get, unless it is there, and tells of it. An
// error says what to do instead.
func install(ctx context.Context, name string, progress io.Writer) (string, error) {
	if file, ok := find(name); ok {
		return file, nil
	}
	if _, ok := find("apt-get"); !ok || os.Geteuid() != 0 {
		return "", fmt.Errorf("%s is missing and only root can install it, with apt-get; install it yourself, or leave it out of the peers", name)
	}
	pinned := name + "=" + versions[name]
	fmt.Fprintf(progress, "installing %s with apt-get; where there is an init system the package starts it as a service\n", pinned)
	if err := apt(ctx, progress, "update"); err != nil {
		return "", err
	}
	if err := apt(ctx, progress, "install", pinned); err != nil {
		fmt.Fprintf(progress, "no %s here, so installing %s as it is\n", pinned, name)
		if err := apt(ctx, progress, "install", name); err != nil {
			return "", err
		}
	}
	file, ok := find(name)
	if !ok {
		return "", fmt.Errorf("the package %s has no program %s", name, name)
	}
	return file, nil
}

func apt(ctx context.Context, progress io.Writer, args ...string) error {
	args = append([]string{"-qq", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"}, args...)
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	cmd.Stdout, cmd.Stderr = progress, progress
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("apt-get %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// version returns the first line that a program says about itself.
func version(file string) string {
	out, err := exec.Command(file, "-v").CombinedOutput()
	if err != nil {
		return file + " of unknown version"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}
