//go:build !slim

package drivers

import _ "github.com/sluice-gateway/sluice/internal/kit/azuresb" // azuresb://
