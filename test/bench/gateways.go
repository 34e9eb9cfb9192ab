package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sluice-gateway/sluice/test/bench/peer"
)

// A kind is a program to measure.
type kind struct {
	name       string
	noopOnly   bool // passes bytes through, and knows no endpoints
	locations  bool // noopOnly, but can have a table of paths
	start      func(r *rig, port int, c peer.Config) (program, error)
	executable string // must be installed; "" is built here
}

// beforeName is the earlier build of the gateway.
const beforeName = "before"

// kinds are all programs, the gateway first.
var kinds = []kind{
	{name: "sluice", start: func(r *rig, port int, c peer.Config) (program, error) { return startSluice(r, r.sluice, port, c) }},
	{name: beforeName, start: func(r *rig, port int, c peer.Config) (program, error) { return startSluice(r, r.before, port, c) }},
	{name: "nginx", noopOnly: true, locations: true, start: startNginx, executable: "nginx"},
	{name: "haproxy", noopOnly: true, start: startHAProxy, executable: "haproxy"},
	{name: "plain", start: startPlain},
}

// endpoints are the cases as a configuration whose backends are at host.
func endpoints(cases []testCase, host string) peer.Config {
	var c peer.Config
	for _, t := range cases {
		e := peer.Endpoint{Path: t.path, OutputEncoding: "json"}
		if t.isNoop() {
			e.OutputEncoding = "no-op"
		}
		for _, b := range t.backends {
			b.Host = []string{host}
			e.Backends = append(e.Backends, b)
		}
		c.Endpoints = append(c.Endpoints, e)
	}
	return c
}

// many are n endpoints with a parameter, as a configuration, and a path of each.
func many(n int, host string) (c peer.Config, paths []string) {
	for i := range n {
		prefix := fmt.Sprintf("/service%d/things%d/", i%100, i)
		c.Endpoints = append(c.Endpoints, peer.Endpoint{
			Path:           prefix + "{id}",
			OutputEncoding: "no-op",
			Backends:       []peer.Backend{{Path: "/a300B/{id}", Host: []string{host}, Encoding: "no-op"}},
		})
		paths = append(paths, prefix+"7")
	}
	return c, paths
}

// write makes a file of the rig and returns its name.
func (r *rig) write(name, text string) (string, error) {
	file := filepath.Join(r.folder, name)
	return file, os.WriteFile(file, []byte(text), 0o644)
}

// The gateway and the plain peer read the same endpoints. Connections to the
// backend are kept, and requests are not logged, as with the other peers.
func startSluice(r *rig, binary string, port int, c peer.Config) (program, error) {
	root := map[string]any{
		"version":                       3,
		"dialect":                       "sluice",
		"port":                          port,
		"listen_ip":                     "127.0.0.1",
		"timeout":                       "10s",
		"max_idle_connections_per_host": 2000,
		"endpoints":                     c.Endpoints,
		"extra_config":                  map[string]any{"router": map[string]any{"disable_access_log": true}},
	}
	if r.engine != "" {
		root["engine"] = r.engine
	}
	text, err := json.Marshal(root)
	if err != nil {
		return program{}, err
	}
	file, err := r.write("sluice.json", string(text))
	return program{argv: []string{binary, "run", "-c", file}}, err
}

func startPlain(r *rig, port int, c peer.Config) (program, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return program{}, err
	}
	file, err := r.write("plain.json", string(text))
	return program{
		argv: []string{r.self},
		env:  []string{fmt.Sprintf("%s=127.0.0.1:%d %s", plainVariable, port, file)},
	}, err
}

// startNginx has one worker, as it has one core. Endpoints with a parameter are
// locations; a single one passes everything on.
func startNginx(r *rig, port int, c peer.Config) (program, error) {
	host := strings.TrimPrefix(c.Endpoints[0].Backends[0].Host[0], "http://")
	var locations strings.Builder
	for _, e := range c.Endpoints {
		if prefix, parameter := strings.CutSuffix(e.Path, "{id}"); parameter {
			page := strings.TrimSuffix(e.Backends[0].Path, "{id}")
			fmt.Fprintf(&locations, "location %s { proxy_pass http://backend%s; }\n", prefix, page)
		}
	}
	if locations.Len() == 0 {
		locations.WriteString("location / { proxy_pass http://backend; }\n")
	}
	file, err := r.write("nginx.conf", fmt.Sprintf(`
worker_processes 1;
worker_rlimit_nofile 8192;
daemon off;
pid %[1]s/nginx.pid;
error_log stderr error;
events { worker_connections 4096; }
http {
	access_log off;
	client_body_temp_path %[1]s/nginx-client;
	proxy_temp_path %[1]s/nginx-proxy;
	fastcgi_temp_path %[1]s/nginx-fastcgi;
	uwsgi_temp_path %[1]s/nginx-uwsgi;
	scgi_temp_path %[1]s/nginx-scgi;
	keepalive_timeout 600s;
	keepalive_requests 1000000000;
	upstream backend {
		server %[2]s;
		keepalive 2000;
		keepalive_timeout 600s;
		keepalive_requests 1000000000;
	}
	server {
		listen 127.0.0.1:%[3]d backlog=4096;
		proxy_http_version 1.1;
		proxy_set_header Connection "";
		proxy_set_header X-Forwarded-For $remote_addr;
		proxy_set_header X-Forwarded-Host $host;
		proxy_buffer_size 16k;
		proxy_buffers 16 16k;
		proxy_max_temp_file_size 0;
		%[4]s
	}
}
`, r.folder, host, port, locations.String()))
	return program{argv: []string{r.executables["nginx"], "-e", "stderr", "-c", file}}, err
}

func startHAProxy(r *rig, port int, c peer.Config) (program, error) {
	host := strings.TrimPrefix(c.Endpoints[0].Backends[0].Host[0], "http://")
	file, err := r.write("haproxy.cfg", fmt.Sprintf(`
global
	nbthread 1
	maxconn 4000
defaults
	mode http
	timeout connect 5s
	timeout client 600s
	timeout server 60s
	timeout http-keep-alive 600s
	option forwardfor
	http-reuse always
frontend front
	bind 127.0.0.1:%d backlog 4096
	default_backend back
backend back
	server one %s pool-max-conn 2000
`, port, host))
	return program{argv: []string{r.executables["haproxy"], "-db", "-f", file}}, err
}
