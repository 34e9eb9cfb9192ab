package report

import (
	"net/url"
	"path/filepath"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
)

// SARIF returns the report in the Static Analysis Results Interchange Format,
// which code review systems show beside the line. version is that of the gateway, describe
// returns the properties of the rule that a code is, but for its id; see [Meaning].
//
// Source: OASIS SARIF 2.1.0.
func SARIF(problems []*config.Problem, version string, describe func(code string) map[string]any) any {
	type object = map[string]any
	rules, results := []object{}, []object{}
	index := make(map[string]int) // of a rule
	for _, p := range problems {
		if _, known := index[p.Code]; !known {
			index[p.Code] = len(rules)
			rule := describe(p.Code)
			rule["id"] = p.Code
			rules = append(rules, rule)
		}
		result := object{
			"ruleId":    p.Code,
			"ruleIndex": index[p.Code],
			"level":     p.Severity.String(), // SARIF has the same three
			"message":   object{"text": message(p)},
		}
		if variable, found := strings.CutPrefix(p.At.File, "environment:"); found { // no file that one could open
			result["locations"] = []object{{"logicalLocations": []object{{"fullyQualifiedName": variable, "kind": "variable"}}}}
		} else {
			result["locations"] = []object{{"physicalLocation": object{
				"artifactLocation": object{"uri": uri(p.At.File)},
				"region":           object{"startLine": max(p.At.Line, 1), "startColumn": max(p.At.Col, 1)},
			}}}
		}
		results = append(results, result)
	}
	return object{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json",
		"version": "2.1.0",
		"runs": []object{{
			"tool":       object{"driver": object{"name": "sluice", "version": version, "rules": rules}},
			"columnKind": "unicodeCodePoints",
			"results":    results,
		}},
	}
}

// Meaning describes a code of package config.
func Meaning(code string) map[string]any {
	text := code
	for _, c := range config.Codes {
		if c.Code == code {
			text = c.Meaning
		}
	}
	return map[string]any{"shortDescription": map[string]any{"text": text}}
}

// uri returns the name of a file as a URI, relative if the name is.
func uri(file string) string {
	u := url.URL{Path: filepath.ToSlash(file)}
	if filepath.IsAbs(file) {
		u.Scheme = "file"
	}
	return u.String()
}

// message returns the path and the text of a problem.
func message(p *config.Problem) string { return strings.TrimPrefix(p.Path+": "+p.Err.Error(), ": ") }
