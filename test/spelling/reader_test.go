package spelling

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var escape = regexp.MustCompile(`%(u00)?[0-9a-fA-F]{2}`)

// overlong has characters that servers have read from more bytes than needed,
// and ones that compatibility makes of others.
var overlong = strings.NewReplacer(
	"\xc0\xaf", "/", "\xc0\xae", ".", "\xc1\x9c", `\`, "\xe0\x80\xaf", "/", "\xe0\x80\xae", ".", "\xc1\xa1", "a",
	"／", "/", "．", ".", "＼", `\`, "ａ", "a", "Ａ", "a", "ſ", "s", "\u212a", "k", "；", ";",
)

// readings returns what willing servers make of a target: paths in lower case,
// without dot segments, repeated slashes, parameters and blanks.
func readings(target string) []string {
	path, _, _ := strings.Cut(target, "?")
	texts := []string{path}
	for range 4 {
		once := escape.ReplaceAllStringFunc(path, func(e string) string {
			n, _ := strconv.ParseUint(e[len(e)-2:], 16, 8)
			return string([]byte{byte(n)})
		})
		once = overlong.Replace(once)
		if once == path {
			break
		}
		path = once
		texts = append(texts, path)
	}
	var all []string
	add := func(p string) {
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	for _, text := range texts {
		for _, ends := range []string{"", ";", "\x00", "?", "#"} {
			whole := text
			if i := strings.Index(whole, ends); ends != "" && i >= 0 {
				whole = whole[:i]
			}
			for _, back := range []bool{false, true} {
				p := strings.ToLower(whole)
				if back {
					p = strings.ReplaceAll(p, `\`, "/")
				}
				add(resolve(p, func(s string) string { return s }))
				add(resolve(p, func(s string) string {
					s, _, _ = strings.Cut(s, ";")
					return s
				}))
				add(resolve(p, func(s string) string {
					s, _, _ = strings.Cut(s, ";")
					s = strings.TrimFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f })
					if s != "." && s != ".." {
						s = strings.TrimRight(s, ". ")
					}
					return s
				}))
			}
		}
	}
	return all
}

// resolve cleans the segments of a path and resolves its dots.
func resolve(path string, clean func(string) string) string {
	var out []string
	for s := range strings.SplitSeq(path, "/") {
		switch s = clean(s); s {
		case "", ".":
		case "..":
			out = out[:max(len(out)-1, 0)]
		default:
			out = append(out, s)
		}
	}
	return "/" + strings.Join(out, "/")
}

func TestReadings(t *testing.T) {
	for _, target := range []string{"/v1/admin", "/v1/ADMIN/?x", "/v1/x/../admin", "/v1/%2561dmin;x=1", `/v1\admin%20`, "/v1/x/..;/admin%00.txt", "/v1/admin/%2e"} {
		if got := readings(target); !slices.Contains(got, "/v1/admin") {
			t.Errorf("readings(%q) = %q, without /v1/admin", target, got)
		}
	}
	for _, target := range []string{"/v1/admins", "/v1/admin/x", "/v1", "/admin"} {
		if got := readings(target); slices.Contains(got, "/v1/admin") {
			t.Errorf("readings(%q) = %q", target, got)
		}
	}
}

// spellings returns ways to write a path whose last segment is the one that
// matters, each for servers of some kind.
func spellings(path string) []string {
	slash := strings.LastIndexByte(path, '/')
	parent, last := path[:slash], path[slash+1:]
	letter := last[:1]
	escaped := "%" + strconv.FormatUint(uint64(letter[0]), 16)
	twice := "%25" + escaped[1:]
	all := []string{path, parent + "/" + escaped + last[1:]}
	for _, end := range []string{
		"/", "//", "/.", "/./", "/%2e", "/%2e/", "%2f", "%2F%2f", "%252f", ";", ";x=1", ";x=1/", "/;", "/;x", "%3b", "%3Bx", "%253b",
		"%00", "%00.txt", "%2500", `\`, "%5c", "%5C", "%255c", `/\`, "%20", "%2520", "%09", "%0a", "%0d%0a", "%7f", ".", "..", "...", "%2e", "%252e", "./", ".%20",
		"%3F", "%3Fx=1", "%23", "%23x", "%253F", "/x/..", "/x/%2e%2e", "/x/..;", "/x/%252e%252e", `/x\..`, "/%2e%2e/" + last, "/../" + last, "%c0%af", "%EF%BC%8F", "%u002f",
		"/;/..;/" + last, "/x;/../.", "%2f..%2f" + last, ";/../../x/../" + path[1:], "%25%32%66",
	} {
		all = append(all, path+end)
	}
	for _, start := range []string{
		"//", "/./", "/%2e/", "/%2f", "%2f", "%2F/", "%252f", `\`, "%5c", `/\`, "/%5c", "/;/", ";/", ";x=1/", "/x/../", "/x/%2e%2e/", "/x/..;/", "/x/..;x/", "/x/..%2f", "%2fx%2f..%2f",
		"/x/..%252f", "/x/%252e%252e/", `/x/..\`, `\x\..\`, "/x//../", "/%20/", "%20/", "/ad/..%5c", "/%2e%2e" + parent + "/", "/../" + parent[1:] + "/", "%EF%BC%8F", "%c0%af", "/x/%c0%ae%c0%ae/", "/x/%EF%BC%8E%EF%BC%8E/",
	} {
		all = append(all, parent+start+last)
	}
	for _, name := range []string{
		strings.ToUpper(last), strings.ToUpper(letter) + last[1:], twice + last[1:], strings.ReplaceAll(twice, "25", "2525") + last[1:], "%25" + "%36%31" + last[1:],
		"%" + strings.ToUpper(strconv.FormatUint(uint64(letter[0]-0x20), 16)) + last[1:], "%25u00" + escaped[1:] + last[1:], "%EF%BD%81" + last[1:], "%c1%a1" + last[1:], "%20" + last,
		strings.ToUpper(last) + "/", strings.ToUpper(last) + ";x", strings.ToUpper(last) + "%2f", twice + strings.ToUpper(last[1:]) + "%5c;/.",
	} {
		all = append(all, parent+"/"+name)
	}
	return append(all, "//"+path[1:], "/."+path, "/%2e"+path, "/x/.."+path, "/x/..;"+path, "%2f"+path[1:], strings.ToUpper(path), strings.ReplaceAll(path, "/", "%2f"), strings.ReplaceAll(path, "/", "//"))
}
