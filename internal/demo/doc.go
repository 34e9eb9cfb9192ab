// Package demo is a small shop to try the gateway on: product, offer and user
// services in the same process, three product hosts of which one is slow and
// one fails now and then, and the configuration of a gateway in front of them.
package demo
