package config

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// hidden stands for a secret.
const hidden = "***"

// shortest is how many bytes a secret has at least that is recognised by its text
// alone. Shorter ones are found wherever nobody meant them.
const shortest = 4

// where says in which places of a text a secret is taken for what it is.
type where uint8

const (
	anywhere where = iota
	alone          // not within a word or a number: the secret may be part of one
	piece          // in quotes, or as a whole segment or value of a URL: the secret may be any word
	quoted         // in quotes only
)

// placeOf returns where a secret is looked for. A masked text stays readable: what
// looks like a common word, or is shorter than four bytes, is masked by where it
// stands.
func placeOf(value string) where {
	switch plain, any := wordy(value); {
	case telling(value):
		return anywhere
	case len(value) >= shortest || any && !plain:
		return alone
	case any:
		return piece
	}
	return quoted
}

// telling reports whether a value would be recognised in a text.
func telling(value string) bool {
	word := strings.Trim(value, "abcdefghijklmnopqrstuvwxyz-") == ""
	return len(value) >= shortest && (!word || len(value) >= 10)
}

// wordy reports whether a text consists of letters and digits, and whether it has any.
func wordy(s string) (all, some bool) {
	all = true
	for _, r := range s {
		if letter(r) {
			some = true
		} else {
			all = false
		}
	}
	return all, some
}

// letter reports whether a character is part of a word or a number.
func letter(r rune) bool { return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) }

// A secret is a text that must not be shown, and where it counts as one.
type secret struct {
	text  string
	where where
}

// A masker replaces secrets in texts by ***: as they are, as they are quoted, and as
// they are escaped in URLs. It reads a text once, and is safe for concurrent use.
type masker struct {
	heads  [256]uint16 // by the first byte of a secret: the number of its group, 0 for none
	groups []group
}

// A group has the secrets that begin with the same byte.
type group struct {
	next    [256]bool // the byte behind it may be the second of one
	single  bool      // there is one of a single byte
	secrets []secret  // longer ones first
}

// newMasker returns a masker of secrets, nil if there are none.
func newMasker(secrets []secret) *masker {
	var all []secret
	for _, s := range secrets {
		quoted := strconv.Quote(s.text)
		for _, text := range []string{s.text, quoted[1 : len(quoted)-1], url.PathEscape(s.text), url.QueryEscape(s.text), (&url.URL{Path: s.text}).EscapedPath()} {
			if text == "" {
				continue
			}
			w := s.where
			if _, some := wordy(text); some && w != anywhere && text != s.text {
				w = alone // an escape is no word
			}
			all = append(all, secret{text, w})
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortFunc(all, func(a, b secret) int {
		return cmp.Or(cmp.Compare(len(b.text), len(a.text)), cmp.Compare(a.text, b.text), cmp.Compare(a.where, b.where))
	})
	all = slices.CompactFunc(all, func(a, b secret) bool { return a.text == b.text })
	m := new(masker)
	for _, s := range all {
		head := &m.heads[s.text[0]]
		if *head == 0 {
			m.groups = append(m.groups, group{})
			*head = uint16(len(m.groups))
		}
		g := &m.groups[*head-1]
		g.secrets = append(g.secrets, s)
		if len(s.text) == 1 {
			g.single = true
		} else {
			g.next[s.text[1]] = true
		}
	}
	return m
}

// mask returns a text without the secrets. One without any is returned as it is.
func (m *masker) mask(text string) string {
	var b strings.Builder
	done := 0
	for i := 0; i < len(text); i++ {
		if m.heads[text[i]] == 0 {
			continue // as almost every byte
		}
		end := m.match(text, i, i > 0 && i == done)
		if end == 0 {
			continue
		}
		for j := i + 1; j < end; j++ { // of two that overlap nothing may be left
			end = max(end, m.match(text, j, true))
		}
		b.WriteString(text[done:i])
		b.WriteString(hidden)
		done, i = end, end-1
	}
	if done == 0 {
		return text
	}
	b.WriteString(text[done:])
	return b.String()
}

// match returns where the secret ends that begins at an offset, 0 if none does.
// masked is that a secret stands right in front of it.
func (m *masker) match(text string, from int, masked bool) (end int) {
	for _, s := range m.candidates(text[from:]) {
		if to := from + len(s.text); strings.HasPrefix(text[from:], s.text) && m.counts(s.where, text, from, to, masked) {
			return to
		}
	}
	return 0
}

// candidates returns the secrets that a text may begin with, which is not empty.
func (m *masker) candidates(text string) []secret {
	head := m.heads[text[0]]
	if head == 0 {
		return nil
	}
	if g := &m.groups[head-1]; g.single || len(text) > 1 && g.next[text[1]] {
		return g.secrets
	}
	return nil
}

// counts reports whether a part of a text is where a secret is taken for one.
func (m *masker) counts(w where, text string, from, to int, masked bool) bool {
	before, after := text[:from], text[to:]
	switch w {
	case anywhere:
		return true
	case alone:
		last, _ := utf8.DecodeLastRuneInString(before)
		first, _ := utf8.DecodeRuneInString(after)
		return (masked || !letter(last)) && (!letter(first) || m.begins(after))
	case piece:
		if before != "" && strings.IndexByte("/?&=", before[from-1]) >= 0 && !strings.HasSuffix(before, "//") &&
			(after == "" || strings.IndexByte("/?&#;:, \"'`|", after[0]) >= 0) {
			return true
		}
	}
	return before != "" && after != "" && before[from-1] == after[0] && strings.IndexByte("\"'`", after[0]) >= 0
}

// begins reports whether a text begins with a secret that is one anywhere.
func (m *masker) begins(text string) bool {
	return slices.ContainsFunc(m.candidates(text), func(s secret) bool {
		return s.where == anywhere && strings.HasPrefix(text, s.text)
	})
}

// maskedError is an error whose text would tell a secret.
type maskedError struct {
	text string
	err  error
}

func (e *maskedError) Error() string { return e.text }
func (e *maskedError) Unwrap() error { return e.err }

// maskError returns err with *** in place of the secrets in its text.
func maskError(err error, secrets []secret) error {
	if err == nil || len(secrets) == 0 {
		return err
	}
	was := err.Error()
	if text := newMasker(secrets).mask(was); text != was {
		return &maskedError{text, err}
	}
	return err
}

// masked returns err with *** in place of the secret texts of n, of its items and of its
// members, and of user information in those that are URLs.
func (n *Node) masked(err error) error {
	if n == nil {
		return err
	}
	var secrets []secret
	add := func(n *Node) {
		switch {
		case n.Secret() && n.Text != "":
			secrets = append(secrets, secret{n.Text, placeOf(n.Text)})
		case n.Kind == String:
			secrets = credentials(secrets, n.Text)
		}
	}
	add(n)
	for _, item := range n.Items {
		add(item)
	}
	for _, m := range n.Members {
		add(m.Value)
	}
	return maskError(err, secrets)
}

// An insertion is what a reference stands for, and the path of the text that holds
// it.
type insertion struct {
	path, value string
	spoken      bool // it may be spoken of in the log
	url         bool // it is a part of the URL that a backend is called by
}

// Mask replaces what references stand for, and what is a secret, by *** in the texts of
// problems that speak of it. What looks like a common word or is very short is masked in
// the problems of the text that holds it, elsewhere it would be found where nobody meant
// it.
func (d *Document) Mask(ps []*Problem) {
	for _, p := range ps {
		var secrets []secret
		for _, i := range d.inserted {
			if w := placeOf(i.value); w == anywhere || within(p.Path, i.path) {
				secrets = append(secrets, secret{i.value, w})
			}
		}
		p.Err = maskError(p.Err, secrets)
	}
	var keys []secret
	for _, text := range d.keyed {
		keys = append(keys, secret{text, placeOf(text)})
	}
	if m := newMasker(keys); m != nil {
		for _, p := range ps {
			p.Path, p.Err = m.mask(p.Path), maskError(p.Err, keys)
		}
	}
}

// within reports whether a path leads to a value, or to something in it.
func within(path, outer string) bool {
	rest, found := strings.CutPrefix(path, outer)
	return found && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// Masker returns a function that replaces by *** what references stand for, and secrets,
// in a text of the log, or nil if there is nothing to replace. It knows the values that
// were inserted where a document holds credentials, in url_pattern and below
// extra_config, and those at keys that are secrets; hosts, ports and the like are what
// operators must hear of. A value that is a word is found as a whole word only. One that
// is shorter than four bytes is found in quotes, and where it stands in a URL if a
// url_pattern holds it.
func (d *Document) Masker() func(string) string {
	var secrets []secret
	for _, i := range d.inserted {
		if !i.spoken {
			continue
		}
		w := placeOf(i.value)
		if w == piece && !i.url {
			w = quoted
		}
		secrets = append(secrets, secret{i.value, w})
	}
	for _, text := range d.keyed {
		secrets = append(secrets, secret{text, placeOf(text)})
	}
	if m := newMasker(secrets); m != nil {
		return m.mask
	}
	return nil
}

// MaskText returns a text with *** in place of values that must not be shown, be they quoted
// or escaped in it.
func MaskText(text string, values []string) string {
	var secrets []secret
	for _, value := range values {
		secrets = append(secrets, secret{value, anywhere})
	}
	if m := newMasker(secrets); m != nil {
		return m.mask(text)
	}
	return text
}

// MaskUser returns the text of a URL or host with *** for its user information
// (RFC 3986, section 3.2.1), which may be a password, and for the values of parameters that are
// called like one. A password that is not escaped may look like something else: in doubt it
// is all hidden that stands before the last @.
func MaskUser(host string) string {
	if from, to := userInfo(host); from < to && !stands(host[from:to]) {
		host = host[:from] + hidden + host[to:]
	}
	return maskQuery(host, soundsSecret)
}

// MaskWrong is MaskUser for a text that is no URL or host although it should be one:
// whatever stands before an @ is hidden, but for the scheme, and every value of a parameter.
func MaskWrong(host string) string {
	from, to := schemeEnd(host), strings.LastIndexByte(host, '@')
	if from < to {
		host = host[:from] + hidden + host[to:]
	}
	return maskQuery(host, func(string) bool { return true })
}

// soundsSecret reports whether a parameter of a URL is called like a secret.
func soundsSecret(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc([]string{"pass", "pwd", "secret", "token", "credential", "signature", "apikey", "api_key", "api-key", "accesskey"}, func(word string) bool {
		return strings.Contains(name, word)
	}) || name == "sig" || name == "key" || name == "auth"
}

// maskQuery returns the text of a URL with *** for the values of parameters that are secret, and
// for a parameter without a name, which may be one.
func maskQuery(text string, secret func(name string) bool) string {
	before, query, found := strings.Cut(text, "?")
	if !found {
		return text
	}
	query, fragment, cut := strings.Cut(query, "#")
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		if name, value, named := strings.Cut(pair, "="); named && secret(name) && !stands(value) {
			pairs[i] = name + "=" + hidden
		}
	}
	text = before + "?" + strings.Join(pairs, "&")
	if cut {
		text += "#" + fragment
	}
	return text
}

// schemeEnd returns where a text goes on behind its scheme and the slashes there, be they
// too few; 0 if it has none.
func schemeEnd(text string) int {
	end := strings.Index(text, "://")
	if end < 0 {
		end = strings.IndexByte(text, ':')
	}
	if end <= 0 || !strings.HasPrefix(text[end:], ":/") {
		return 0
	}
	return len(text) - len(strings.TrimLeft(text[end+1:], "/"))
}

// userInfo returns where user information stands in the text of a URL or host, and the @
// behind it; of one without both are 0.
func userInfo(text string) (from, to int) {
	from, to = schemeEnd(text), strings.LastIndexByte(text, '@')
	authority := text[from:]
	if end := strings.IndexAny(authority, "/?#"); end >= 0 {
		authority = authority[:end]
	}
	address := strings.HasPrefix(authority, "[") && strings.HasSuffix(authority, "]")
	if to < from || !strings.Contains(authority, "@") && (address || !strings.Contains(authority, ":")) {
		return 0, 0 // or the @ is of the path, or of what follows
	}
	return from, to
}

// credentials appends to a list what of a text must not be shown because it is user
// information of a URL: all of it, and the password alone.
func credentials(list []secret, text string) []secret {
	from, to := userInfo(text)
	if from == to {
		return list
	}
	info := text[from:to]
	_, password, found := strings.Cut(info, ":")
	if from == 0 && !found { // an address of mail, as likely
		return list
	}
	list = append(list, secret{info, placeOf(info)})
	for ; password != ""; _, password, _ = strings.Cut(password, ":") {
		list = append(list, secret{password, placeOf(password)})
	}
	return list
}

// Shown returns a text that was read from n as people may see it. One that is secret is
// ***, but for a reference, which is shown as it was written, ${env:NAME}: it tells where
// the value comes from and not what it is. What stands beside a reference is shown as well
// where it is no secret by itself.
func (n *Node) Shown(text string) string {
	switch {
	case !n.Secret():
		return text
	case n.written == nil:
		return hidden
	}
	return n.written.shown()
}

// Source returns the text of n as it stands in the file, and whether there is a reference in
// it. What stands beside one may be a secret: it is there to be compared.
func (n *Node) Source() (text string, refers bool) {
	switch {
	case n == nil:
		return "", false
	case n.written == nil:
		return n.Text, false
	}
	return n.written.text, true
}

// AppendShown appends a text that was read from n, which is nil for a default, as a JSON
// string that people may see: as [Node.Shown] has it, without the user information of a URL.
func (n *Node) AppendShown(dst []byte, text string) []byte {
	shown := n.Shown(text)
	if !n.Secret() && schemeEnd(shown) > 0 {
		shown = MaskUser(shown)
	}
	return AppendQuoted(dst, shown)
}

// A written text is one with references, as it stands in the file.
type written struct {
	text   string
	secret bool // what stands beside the references, too
}

// shown returns the text without what must not be seen beside the references.
func (w *written) shown() string {
	var references []string
	literal := forEachReference(w.text, func(reference string) string {
		references = append(references, reference)
		return string(standIn + rune(len(references)-1))
	})
	if w.secret {
		literal = hideBeside(literal)
	} else {
		literal = MaskUser(literal)
	}
	var b strings.Builder
	for _, r := range literal {
		if i := int(r - standIn); i >= 0 && i < len(references) {
			b.WriteString(references[i])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// standIn is the first of the characters, of a plane for private use, that stand for
// references while what is beside them is masked.
const standIn = '\U000F0000'

// stands reports whether a part of a text consists of references, with colons between them.
func stands(part string) bool {
	return part != "" && strings.Trim(part, ":") != "" && !strings.ContainsFunc(part, func(r rune) bool { return r < standIn && r != ':' })
}

// hideBeside returns a text with *** for what stands between references.
func hideBeside(text string) string {
	var b strings.Builder
	hiding := false
	for _, r := range text {
		if r >= standIn {
			b.WriteRune(r)
		} else if !hiding {
			b.WriteString(hidden)
		}
		hiding = r < standIn
	}
	return b.String()
}
