package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"time"

	"github.com/sluice-gateway/sluice/test/bench/peer"
)

// A rig is what measurements share: the backend and the programs.
type rig struct {
	options
	folder      string // temporary
	self        string // the file of this program
	generator   string // the file of the load generator
	executables map[string]string
	pages       pages
	backend     *talk
	host        string // URL of the backend
	core        string // of gateways; "" is any
	otherCore   string // of everything else
	client      *http.Client
}

// newRig makes what measurements need. The caller closes it.
func newRig(o options, executables map[string]string) (*rig, error) {
	folder, err := os.MkdirTemp("", "sluice-bench-")
	if err != nil {
		return nil, err
	}
	r := &rig{
		options: o, folder: folder, executables: executables, pages: makePages(),
		client: &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	r.core, r.otherCore = cores()
	if err := r.prepare(); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *rig) prepare() (err error) {
	if r.self, err = os.Executable(); err != nil {
		return err
	}
	if r.generator, err = compile("load", r.folder); err != nil {
		return err
	}
	server, err := compile("backend", r.folder)
	if err != nil {
		return err
	}
	folder := filepath.Join(r.folder, "pages")
	if err := r.pages.save(folder); err != nil {
		return err
	}
	r.backend, err = converse(program{name: "backend", argv: []string{server, folder}, core: r.otherCore}, r.folder)
	if err != nil {
		return err
	}
	port, err := r.backend.hear(patience)
	r.host = "http://127.0.0.1:" + port
	return err
}

// close stops the backend and removes the temporary folder.
func (r *rig) close() error {
	if r.backend != nil {
		r.backend.stop()
	}
	return os.RemoveAll(r.folder)
}

// A gateway is a running program to measure.
type gateway struct {
	kind
	*process
	port  int
	ready time.Duration // from its start to its first answer
}

// serve starts a program and waits for its first good answer to path. The
// caller stops it.
func (r *rig) serve(ctx context.Context, k kind, c peer.Config, path string) (*gateway, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := k.start(r, port, c)
	if err != nil {
		return nil, err
	}
	p.name, p.core = k.name, r.core
	began := time.Now()
	process, err := start(p, r.folder)
	if err != nil {
		return nil, err
	}
	g := &gateway{kind: k, process: process, port: port}
	if err := r.await(ctx, g, path); err != nil {
		g.stop()
		return nil, err
	}
	g.ready = time.Since(began)
	return g, nil
}

// await waits until g answers path.
func (r *rig) await(ctx context.Context, g *gateway, path string) error {
	for limit := time.Now().Add(patience); ; {
		c, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(g.port))
		if err == nil {
			c.Close()
			_, err = r.get(ctx, g, path)
			return err
		}
		if time.Now().After(limit) {
			return g.failed(err)
		}
		select {
		case <-g.done:
			return g.failed(fmt.Errorf("it has ended: %v", g.err))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// freePort returns a port of 127.0.0.1 that nobody listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// get returns the body of a good answer.
func (r *rig) get(ctx context.Context, g *gateway, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", g.port, path), nil)
	if err != nil {
		return nil, err
	}
	res, err := r.client.Do(request)
	if err != nil {
		return nil, g.failed(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, g.failed(err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, g.failed(fmt.Errorf("%s answers %s", path, res.Status))
	}
	return text, nil
}

// check returns the length of the answer of g to a case, if it is right.
func (r *rig) check(ctx context.Context, g *gateway, c testCase) (length int, err error) {
	got, err := r.get(ctx, g, c.path)
	if err != nil {
		return 0, err
	}
	if err := same(got, c.want(r.pages)); err != nil {
		return 0, fmt.Errorf("%s answers %s wrong: %w", g.kind.name, c.name, err)
	}
	return len(got), nil
}

// same compares an answer with bytes, or with a JSON value.
func same(got []byte, want any) error {
	if text, ok := want.([]byte); ok {
		if !bytes.Equal(got, text) {
			return fmt.Errorf("the %d bytes are not the %d of the backend", len(got), len(text))
		}
		return nil
	}
	v, err := decode(got)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(v, want) {
		return fmt.Errorf("another JSON value, in %d bytes", len(got))
	}
	return nil
}
