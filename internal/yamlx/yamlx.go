package yamlx

import "bytes"

// Readable returns data in a form that the library reads: it takes version 1.1
// in a %YAML directive and nothing else, although it reads what 1.2 says. The
// directive before the first document is that of 1.1 in the result, every place
// stays where it was, and data is not changed.
//
// Source: YAML 1.2.2, section 6.8.1: a processor reads documents of a higher
// minor version as it can.
func Readable(data []byte) []byte {
	const directive = "%YAML 1."
	for at := 0; at < len(data); {
		line, _, _ := bytes.Cut(data[at:], []byte("\n"))
		if text, found := bytes.CutPrefix(line, []byte(directive)); found {
			version, _, _ := bytes.Cut(text, []byte(" "))
			if version = bytes.TrimRight(version, "\t\r"); len(version) != 1 || version[0] < '0' || version[0] > '9' {
				return data
			}
			data = bytes.Clone(data)
			data[at+len(directive)] = '1'
			return data
		}
		if rest := bytes.TrimSpace(line); len(rest) > 0 && rest[0] != '#' && line[0] != '%' {
			return data // the document has begun
		}
		at += len(line) + 1
	}
	return data
}
