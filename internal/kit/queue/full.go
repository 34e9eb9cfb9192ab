//go:build !slim

package queue

// slim is that heavy drivers are left out.
const slim = false
